"""Builds the stack's Go programs from one pinned module, once, and keeps them in one flat folder of the cache."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from serinus_local import cache, pypi
from serinus_local.cache import say
from serinus_local.waiting import step

MODULE = Path(__file__).parent / "go" / "stack"
KUBERNETES_VERSION = "v1.36.3"
Part = Literal["control-plane", "all"]
_TAGS = ("vtprotobuf", "disable_pgv", "remove_all_sd", "enable_kubernetes_sd")
"""What Istio's own Makefile builds with; and Prometheus finds its targets through Kubernetes only."""
_FLAGS = ("-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-tags", ",".join(_TAGS))
_COLLECT_LATE = {"GOGC": "off", "GOMEMLIMIT": "1536MiB"}
"""The compiler's own garbage collection is a third of its work; a process near the limit collects all the same."""


@dataclass(frozen=True)
class GoProgram:
    """One program: its name, the package that is its main, and the smallest part of the stack that needs it."""

    name: str
    package: str
    part: Part = "all"

    @property
    def built_as(self) -> str:
        """Name the file that `go build` makes of the package: its last element that is no version."""
        return [element for element in self.package.split("/") if not re.fullmatch(r"v\d+", element)][-1]


_VERSIONED = " ".join(
    f"-X {package}.{field}={value}"
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    for field, value in (("gitVersion", KUBERNETES_VERSION), ("gitMajor", "1"), ("gitMinor", "36"))
)
_LINK = f"-ldflags=-s -w {_VERSIONED}"


def _kubernetes(name: str, part: Part = "all") -> GoProgram:
    return GoProgram(name, f"k8s.io/kubernetes/cmd/{name}", part)


PROGRAMS = (
    GoProgram("etcd", "go.etcd.io/etcd/server/v3", "control-plane"),
    _kubernetes("kube-apiserver", "control-plane"),
    _kubernetes("kube-controller-manager", "control-plane"),
    _kubernetes("kube-scheduler"),
    _kubernetes("kubelet"),
    _kubernetes("kube-proxy"),
    GoProgram("pilot-discovery", "istio.io/istio/pilot/cmd/pilot-discovery"),
    GoProgram("prometheus", "github.com/prometheus/prometheus/cmd/prometheus"),
    GoProgram("helm", "helm.sh/helm/v4/cmd/helm"),
    GoProgram("pause", "serinus.dev/local/stack/pause"),
)


def folder() -> Path:
    """Name the folder of the programs, whether or not they are built."""
    return cache.folder("bin", _digest())


def binaries(only: Part = "all") -> Path:
    """Return the folder with the programs of `only`, building those that are missing."""
    wanted = [program for program in PROGRAMS if only in ("all", program.part)]
    target = cache.used(folder())
    assets = _assets(target)
    fetched = [name for name in (pypi.PROGRAMS if only == "all" else ("kubectl",)) if name not in assets]
    with ThreadPoolExecutor() as pool:  # what is fetched waits for the network while the compiler works
        waiting = [pool.submit(pypi.program, name, target) for name in fetched]
        ensure(wanted, target)
        for each in waiting:
            each.result()
    return target


def ensure(
    programs: Sequence[GoProgram], target: Path, *, module: Path = MODULE, flags: Sequence[str] = (*_FLAGS, _LINK)
) -> None:
    """Build those of `programs` that `target` lacks, from what the Go module in the folder `module` pins."""
    if _missing(programs, target):
        with cache.locked(f"bin-{target.name}"):
            _build(_missing(programs, target), target, module, flags)


def _missing(programs: Sequence[GoProgram], target: Path) -> list[GoProgram]:
    return [program for program in programs if not (target / program.name).exists()]


def _digest() -> str:
    """Name the set of programs: their pinned sources, how they are built, and what the user brings."""
    sources = [file for file in MODULE.rglob("*") if file.is_file()]
    sources += [pypi.REQUIREMENTS / f"{name}.txt" for name in pypi.PROGRAMS]
    return cache.digest(sources, recipe=f"{PROGRAMS}{_FLAGS}{_LINK}{os.environ.get('KUBEBUILDER_ASSETS', '')}")


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


def _build(programs: Sequence[GoProgram], target: Path, module: Path, flags: Sequence[str]) -> None:
    """Build all of them in one go, so that one is linked while others are compiled."""
    if not programs:
        return
    with tempfile.TemporaryDirectory(prefix=".build-", dir=target) as unfinished:
        command = [_go(), "build", *flags, "-o", f"{unfinished}/", *(p.package for p in programs)]
        with (
            step(f"build from Go: {', '.join(p.name for p in programs)} (takes minutes the first time, seconds later)"),
            subprocess.Popen(command, cwd=module, env=_environment(), stderr=subprocess.PIPE, text=True) as running,
        ):
            assert running.stderr is not None
            lines = _follow(running.stderr)
        if running.returncode != 0:
            raise RuntimeError("go build failed:\n" + "".join(lines[-20:]))
        for program in programs:
            (Path(unfinished) / program.built_as).rename(target / program.name)


def _environment() -> dict[str, str]:
    return os.environ | {"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": ""} | _COLLECT_LATE


def _follow(output: IO[str]) -> list[str]:
    """Read what the compiler says to the end, and tell four times a minute how far it is."""
    lines: list[str] = []
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(15):
            say(f"  {len(lines)} packages so far")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    for line in output:
        lines.append(line)  # noqa: PERF402 - the teller counts them while they come
    ended.set()
    teller.join()
    return lines


def module_folder(path: str) -> Path:
    """Return where the sources of the Go module `path`, as it is pinned, lie on this machine."""
    command = [_go(), "mod", "download", "-json", path]
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=mod"}
    answer = subprocess.run(command, cwd=MODULE, env=environment, capture_output=True, text=True, check=False)
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
