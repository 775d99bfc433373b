"""`python -m benchmarks.fetch`: `serinus-fetch` beside `rclone copy` and `s5cmd cp`, and a warm cache beside none.

All of them read the same objects from the same S3 server on this machine, in turns, with what they do by default. The
objects were put there by rclone, as a team would: rclone compares their MD5 when it has copied them, `serinus-fetch`
always hashes for the digest, s5cmd compares nothing. rclone is also measured without its comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from serinus_local import build, cache
from serinus_local.build import GoProgram
from serinus_serving.fetch.digest import tree_digest
from tests.support.servers.s3 import S3Server, s3_server

ROUNDS = 5
BUCKET = "models"
MODELS = ("large", "many")
LARGE_BYTES = 2_000_000_000
FILES, FILE_BYTES = 10_000, 10_240
_GO = Path(__file__).parent / "go"
_FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w")
_SEED = 64 << 20
_OPERATOR = Path(__file__).parents[1] / "operator"
_CONSOLE = Console()
_PROGRESS = Console(stderr=True)


@dataclass(frozen=True)
class Copier:
    """A program that copies a folder of the bucket; `command` is told which folder, and where to."""

    name: str
    command: Callable[[str, Path], Sequence[str]]
    emptied: Path | None = None
    """A folder that must be empty before."""


@dataclass
class Runs:
    """What the runs of one program with one model took, in seconds."""

    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """Give the median."""
        return median(self.seconds)


@dataclass(frozen=True)
class Bench:
    """The folder in which all of it happens, and the server."""

    root: Path
    server: S3Server

    def run(self, copier: Copier, folder: str, runs: Runs) -> Path:
        """Copy a folder once, to where nothing is; nobody else's writes are on their way then."""
        target = self.root / "copied"
        for left in {target, copier.emptied or target}:
            shutil.rmtree(left, ignore_errors=True)
        os.sync()
        before, started = os.times(), time.perf_counter()
        subprocess.run(copier.command(folder, target), env=self.environment(), check=True, capture_output=True)
        runs.seconds.append(time.perf_counter() - started)
        after = os.times()
        used = (after.children_user + after.children_system) - (before.children_user + before.children_system)
        runs.cpu_seconds.append(used)
        return target

    def environment(self) -> dict[str, str]:
        """Give the programs the keys of the server."""
        return os.environ | dict(self.server.environment) | {"PYTHONPATH": str(_OPERATOR)}


def main() -> None:
    """Run the whole benchmark."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.fetch", description=__doc__)
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    arguments.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"runs of each; default {ROUNDS}")
    arguments.add_argument("--only", choices=MODELS, help="one model alone")
    chosen = arguments.parse_args()
    root = Path(tempfile.mkdtemp(prefix="serinus-fetch-"))
    try:
        with s3_server(root) as server:
            found = _measured(Bench(root, server), chosen.rounds, (chosen.only,) if chosen.only else MODELS)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    _CONSOLE.print(_table(found))
    if chosen.json:
        chosen.json.write_text(json.dumps(_numbers(found), indent=1) + "\n")


def _measured(bench: Bench, rounds: int, models: Sequence[str]) -> dict[str, dict[str, Runs]]:
    """Measure the models with everybody: by model, by program."""
    rclone, s5cmd = _program("rclone"), _program("s5cmd")
    found: dict[str, dict[str, Runs]] = {}
    for folder in models:
        digest = _upload(bench, rclone, folder)
        others, own = _copiers(bench, rclone, s5cmd), _with_cache(bench.root / f"cache-{folder}", digest)
        found[folder] = {copier.name: Runs() for copier in (*others, *own)}
        for number in range(rounds):
            first = number % len(others)
            for copier in (*others[first:], *others[:first], *own):
                bench.run(copier, folder, found[folder][copier.name])
            _PROGRESS.print(f"{folder}: round {number + 1} of {rounds}, load {os.getloadavg()[0]:.1f}")
    return found


def _copiers(bench: Bench, rclone: Path, s5cmd: Path) -> list[Copier]:
    def copy(*options: str) -> Callable[[str, Path], Sequence[str]]:
        return lambda folder, target: [*_rclone(rclone), "copy", *options, _remote(bench, folder), str(target)]

    def cp(folder: str, target: Path) -> Sequence[str]:
        return [str(s5cmd), f"--endpoint-url={bench.server.endpoint}", "cp", f"s3://{BUCKET}/{folder}/*", f"{target}/"]

    return [
        Copier("serinus-fetch", _fetch),
        Copier("rclone copy", copy()),
        Copier("rclone copy --ignore-checksum", copy("--ignore-checksum")),
        Copier("s5cmd cp", cp),
    ]


def _with_cache(cache_folder: Path, digest: str) -> list[Copier]:
    """Fetch into an empty cache, and then out of it."""

    def command(folder: str, target: Path) -> Sequence[str]:
        return [*_fetch(folder, target), "--digest", digest, "--cache", str(cache_folder)]

    return [
        Copier("serinus-fetch, filling a cache", command, emptied=cache_folder),
        Copier("serinus-fetch, warm cache", command),
    ]


def _fetch(folder: str, target: Path) -> Sequence[str]:
    program = [sys.executable, "-m", "serinus_serving.fetch"]
    return [*program, f"s3://{BUCKET}/{folder}", str(target / "model"), "--layout", "as-is"]


def _rclone(program: Path) -> Sequence[str]:
    return [str(program), "--config", os.devnull]


def _remote(bench: Bench, folder: str) -> str:
    return f":s3,provider=Other,env_auth=true,endpoint='{bench.server.endpoint}':{BUCKET}/{folder}"


def _upload(bench: Bench, rclone: Path, folder: str) -> str:
    """Make a model and put it into the bucket; return its digest."""
    bench.server.bucket(BUCKET)
    source = bench.root / "source" / folder
    if folder == "large":
        _write(source / "model.onnx", LARGE_BYTES)
    else:
        for number in range(FILES):
            _write(source / str(number % 100) / f"{number}.bin", FILE_BYTES)
    command = [*_rclone(rclone), "copy", str(source), _remote(bench, folder)]
    subprocess.run(command, env=bench.environment(), check=True, capture_output=True)
    _PROGRESS.print(f"{folder}: uploaded")
    digest = tree_digest(source)
    shutil.rmtree(source)
    return digest


def _write(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as opened:
        for start in range(0, size, _SEED):
            opened.write(os.urandom(min(_SEED, size - start)))


def _program(name: str) -> Path:
    """Build one of the programs that we are measured beside."""
    module = _GO / name
    sources = [module / each for each in ("go.mod", "go.sum", "main.go")]
    target = cache.used(cache.folder("bin", cache.digest(sources, recipe=str(_FLAGS))))
    build.ensure([GoProgram(name, f"serinus.dev/benchmarks/{name}")], target, module=module, flags=_FLAGS)
    return target / name


def _table(found: Mapping[str, Mapping[str, Runs]]) -> Table:
    table = Table("", "", "time", "speed", "of the fastest", "CPU")
    for folder, everybody in found.items():
        title = f"{LARGE_BYTES / 1e9:.0f} GB" if folder == "large" else f"{FILES:,} files"
        size = LARGE_BYTES if folder == "large" else FILES * FILE_BYTES
        for name, runs in everybody.items():
            table.add_row(
                title,
                name,
                f"{runs.wall:.1f} s",
                f"{size / 1e6 / runs.wall:.0f} MB/s",
                f"{_share(everybody, name):.2f}",
                f"{median(runs.cpu_seconds):.1f} s",
            )
    table.caption = f"medians; {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} over five minutes"
    return table


def _share(runs: Mapping[str, Runs], name: str) -> float:
    """Compare the speed of one with the fastest of the others that read from the network."""
    return min(one.wall for other, one in runs.items() if "," not in other) / runs[name].wall


def _numbers(found: Mapping[str, Mapping[str, Runs]]) -> dict[str, Any]:
    return {
        folder: {
            name: {
                "seconds": [round(each, 3) for each in one.seconds],
                "cpu_seconds": [round(each, 2) for each in one.cpu_seconds],
                "of_the_fastest": round(_share(runs, name), 3),
            }
            for name, one in runs.items()
        }
        for folder, runs in found.items()
    }


if __name__ == "__main__":
    main()
