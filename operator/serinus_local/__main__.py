"""`python -m serinus_local build|up|down|status|demo`: what the make targets call."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from serinus_local import artifacts, build, chart, images, operator_image, operators, stack
from serinus_local.cache import say
from serinus_local.waiting import step


def main(arguments: list[str]) -> int:
    """Run one command and return its exit code; an expected failure is one message, not a traceback."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (RuntimeError, TimeoutError) as error:
        print(f"serinus_local: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="serinus_local", description=__doc__)
    commands = parser.add_subparsers(required=True)
    make = commands.add_parser("build", help="build and cache all programs and images")
    make.add_argument("--only", choices=["control-plane", "artifacts", "all"], default="all")
    make.set_defaults(run=_build)
    for name, run in (("up", _up), ("down", _down), ("status", _status)):
        command = commands.add_parser(name)
        command.add_argument("--state", type=Path, default=stack.default_state())
        command.set_defaults(run=run)
        if name == "up":
            how = command.add_mutually_exclusive_group()
            how.add_argument("--no-operator", action="store_true", help="start the stack without the operator")
            how.add_argument(
                "--operator", choices=operators.WAYS, help="how the operator runs; default: as it does, or pod"
            )
    image = commands.add_parser("image", help="write one of our images as an OCI archive")
    image.add_argument(
        "which", nargs="?", choices=operator_image.CHOICES, default="operator",
        help="the operator, or what fetches models beside its servers",
    )  # fmt: skip
    image.add_argument("--archive", type=Path, help="the file to write; default: dist/ and the image's name")
    image.add_argument("--name", help="registry/repository:tag that it is loaded as; default: its own and the version")
    image.add_argument("--files", type=Path, metavar="FOLDER", help="write its files, layer by layer, and no archive")
    image.set_defaults(run=_image)
    demo = commands.add_parser("demo", help="show a good version being promoted and bad ones rolled back")
    demo.add_argument("--state", type=Path, default=stack.default_state())
    demo.add_argument("--json", type=Path, metavar="FILE", help="also write the summary to this file")
    demo.set_defaults(run=_demo)
    return parser


def _build(options: argparse.Namespace) -> int:
    if options.only == "all":
        images.all_images()
        operator_image.layers()
    if options.only in ("artifacts", "all"):
        say(f"programs that keep models: {artifacts.everything()}")
    if options.only != "artifacts":
        say(f"programs: {build.binaries(options.only)}")
    return 0


def _image(options: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise RuntimeError("the image needs root: its own Python compiles the code in it (chroot); use sudo")
    contents = operator_image.CHOICES[options.which]
    if options.files:
        operator_image.unpack(options.files, contents)
        return 0
    archive = options.archive or Path("dist") / f"{contents.name}.tar"
    name = options.name or f"{contents.name}:{chart.app_version()}"
    digest = operator_image.write(archive, name, contents)
    say(f"{name}: {archive}, {archive.stat().st_size / 1e6:.0f} MB, {digest}")
    return 0


def _up(options: argparse.Namespace) -> int:
    running = stack.up(options.state, with_operator=not options.no_operator, operator=options.operator)
    if not options.no_operator:
        with step("the image that fetches models"):
            running.operator.let_fetch()
    _print(running)
    return 0


def _down(options: argparse.Namespace) -> int:
    stack.down(options.state)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from serinus_local.demo.run import run  # rich and gRPC are of no use to the other commands

    return run(options.state, options.json)


def _status(options: argparse.Namespace) -> int:
    if not options.state.exists():
        print("down")
        return 1
    running = stack.Stack(options.state)
    for name in running.processes.known():
        process = running.processes.running(name)
        print(f"{name:24} {f'pid {process.pid}' if process else 'not running'}")
    print(f"{'operator':24} {'a ' + running.operator.way if running.operator.way else 'not started'}")
    _print(running)
    return 0


def _print(running: stack.Stack) -> None:
    """End with what is pasted into a shell to use the stack."""
    print(f"logs are in {running.processes.logs}; to use the stack, paste these lines:\n")
    for line in exports(running):
        print(line)


def exports(running: stack.Stack) -> tuple[str, ...]:
    """Write the environment that the docs' commands want: kubectl, helm and serinus on the path."""
    path = f"{build.folder()}:{Path(sys.executable).parent}"
    return (
        f"export KUBECONFIG={running.kubeconfig}",
        f"export GATEWAY={running.gateway_address}",
        f"export PROMETHEUS={running.prometheus_url}",
        f"export LINK={running.network.host}",
        f'export PATH="{path}:$PATH"',
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
