"""Builds the stack's Go programs from pinned modules, once, and keeps them in one flat folder of the cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from serinus_local import cache, pypi
from serinus_local.cache import say
from serinus_local.waiting import step

MODULES = Path(__file__).parent / "go"
KUBERNETES_VERSION = "v1.36.3"
Part = Literal["control-plane", "all"]
_FLAGS = ("-v", "-mod=readonly", "-trimpath", "-buildvcs=false")


@dataclass(frozen=True)
class GoProgram:
    """One program: the module folder that pins it, the package that is its main, and how it is built."""

    name: str
    module: str
    package: str
    part: Part = "all"
    tags: str = ""
    link: str = ""


_VERSIONED = " ".join(
    f"-X {package}.{field}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for field, value in (("gitVersion", KUBERNETES_VERSION), ("gitMajor", "1"), ("gitMinor", "36"))
)


def _kubernetes(name: str, part: Part = "all") -> GoProgram:
    return GoProgram(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", part, link=_VERSIONED)


PROGRAMS = (
    GoProgram("etcd", "kubernetes", "go.etcd.io/etcd/server/v3", "control-plane"),
    _kubernetes("kube-apiserver", "control-plane"),
    _kubernetes("kube-controller-manager", "control-plane"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    GoProgram("pilot-discovery", "istio", "istio.io/istio/pilot/cmd/pilot-discovery", tags="vtprotobuf,disable_pgv"),
    GoProgram(
        "prometheus",
        "prometheus",
        "github.com/prometheus/prometheus/cmd/prometheus",
        tags="remove_all_sd,enable_kubernetes_sd",
    ),
    GoProgram("helm", "helm", "helm.sh/helm/v4/cmd/helm"),
    GoProgram("pause", "pause", "serinus.dev/local/pause"),
)


def folder() -> Path:
    """Name the folder of the programs, whether or not they are built."""
    return cache.folder("bin", _digest())


def binaries(only: Part = "all") -> Path:
    """Return the folder with the programs of `only`, building those that are missing."""
    wanted = [program for program in PROGRAMS if only in ("all", program.part)]
    target = cache.used(folder())
    assets = _assets(target)
    missing = [p for p in wanted if not (target / p.name).exists()]
    if missing:
        with cache.locked(f"bin-{target.name}"):
            for number, program in enumerate(missing, 1):
                if not (target / program.name).exists():
                    _build(program, target, f"{number}/{len(missing)}")
    for name in pypi.PROGRAMS if only == "all" else ("kubectl",):
        if name not in assets:
            pypi.program(name, target)
    return target


def _digest() -> str:
    """Name the set of programs: their pinned sources, how they are built, and what the user brings."""
    sources = [file for file in MODULES.rglob("*") if file.is_file()]
    sources += [pypi.REQUIREMENTS / f"{name}.txt" for name in pypi.PROGRAMS]
    return cache.digest(sources, recipe=f"{PROGRAMS}{_FLAGS}{os.environ.get('KUBEBUILDER_ASSETS', '')}")


def _assets(target: Path) -> set[str]:
    """Link the programs of `KUBEBUILDER_ASSETS`, which go before our own, and name them."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if not given:
        return set()
    found = {name for name in ("etcd", "kube-apiserver", "kubectl") if (Path(given) / name).is_file()}
    for name in found:
        if not (target / name).exists():
            (target / name).symlink_to(Path(given).resolve() / name)
    return found


def _build(program: GoProgram, target: Path, number: str) -> None:
    unfinished = target / f".{program.name}.{os.getpid()}"
    command = [_go(), "build", *_FLAGS, "-ldflags", f"-s -w {program.link}".strip()]
    command += ["-tags", program.tags] if program.tags else []
    command += ["-o", str(unfinished), program.package]
    environment = os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""}
    with (
        step(f"build {number}: {program.name} from Go (takes minutes the first time, seconds later)"),
        subprocess.Popen(
            command, cwd=MODULES / program.module, env=environment, stderr=subprocess.PIPE, text=True
        ) as running,
    ):
        assert running.stderr is not None
        lines = _follow(running.stderr, program.name)
    if running.returncode != 0:
        unfinished.unlink(missing_ok=True)
        raise RuntimeError(f"go build of {program.name} failed:\n" + "".join(lines[-20:]))
    unfinished.rename(target / program.name)


def _follow(output: IO[str], name: str) -> list[str]:
    """Read what the compiler says to the end, and tell four times a minute how far it is."""
    lines: list[str] = []
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(15):
            say(f"  {name}: {len(lines)} packages so far")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    for line in output:
        lines.append(line)  # noqa: PERF402 - the teller counts them while they come
    ended.set()
    teller.join()
    return lines


def module_folder(module: str, path: str) -> Path:
    """Return where the sources of the Go module `path`, as `module` pins it, lie on this machine."""
    command = [_go(), "mod", "download", "-json", path]
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    answer = subprocess.run(command, cwd=MODULES / module, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"go mod download {path} failed:\n{answer.stdout}{answer.stderr}")
    return Path(json.loads(answer.stdout)["Dir"])


def _go() -> str:
    """Return a Go toolchain: the machine's when it is new enough, else the one on PyPI."""
    found = shutil.which("go") or ("/usr/local/go/bin/go" if Path("/usr/local/go/bin/go").exists() else None)
    return found if found and _new_enough(found) else str(pypi.go())


def _new_enough(go: str) -> bool:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    numbers = answer.stdout.strip().removeprefix("go").split("-")[0].split(".")
    return [int(n) for n in numbers if n.isdigit()] >= [1, 26, 7]
