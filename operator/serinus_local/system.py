"""What the machine must bring: Linux, root, and a few Debian packages, installed without starting a service."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serinus_local import cache
from serinus_local.cache import say

PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "mmdebstrap": "mmdebstrap",
    "ip": "iproute2",
    "openssl": "openssl",
    "nsenter": "util-linux",
    "bridge": "containernetworking-plugins",
}
CNI_FOLDERS = (Path("/usr/lib/cni"), Path("/opt/cni/bin"))
_POLICY = Path("/usr/sbin/policy-rc.d")
_SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])


def unfit() -> str:
    """Say why this machine cannot run a node, or nothing when it can."""
    if not sys.platform.startswith("linux"):
        return "a node needs Linux"
    if os.geteuid() != 0:
        return "a node needs root (containerd, network namespaces, cgroups)"
    return ""


def need(*programs: str) -> None:
    """Make sure that these programs are there, installing their Debian packages where we may."""
    missing = [name for name in programs if find(name) is None]
    if not missing:
        return
    packages = sorted({PACKAGES[name] for name in missing})
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise RuntimeError(f"missing: {', '.join(missing)}; install the packages {' '.join(packages)}")
    with cache.locked("apt"):
        say(f"install Debian packages: {' '.join(packages)}")
        with _no_services():
            _apt("update")
            _apt("install", "--yes", "--no-install-recommends", *packages)


def find(name: str) -> Path | None:
    """Return where a program is; the CNI plugins have a folder of their own."""
    if name == "bridge":
        return next((folder / name for folder in CNI_FOLDERS if (folder / name).exists()), None)
    found = shutil.which(name, path=_SEARCHED)
    return Path(found) if found else None


def program(name: str) -> str:
    """Return the path of a program that `need` has seen to."""
    found = find(name)
    if found is None:
        raise RuntimeError(f"{name} is missing")
    return str(found)


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting services while they are installed, as Debian's policy layer allows."""
    if _POLICY.exists():
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    answer = subprocess.run(["apt-get", "-q", *arguments], capture_output=True, text=True, env=environment, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"apt-get {arguments[0]} failed:\n{answer.stdout[-2000:]}{answer.stderr[-2000:]}")
