"""The files of an image as a root of their own, in which its programs run without a container engine."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

from serinus_local import operator_image, system
from serinus_local.operator_image import Contents

POD = 1000
"""Whom pods run as."""
_DEVICES = {"null": 3, "urandom": 9}


def unpacked(contents: Contents, root: Path) -> Path:
    """Lay the image's layers over each other, and add what a pod's volumes and the kubelet give."""
    for layer in operator_image.layers(contents).values():
        subprocess.run(["tar", "--extract", f"--file={layer}", f"--directory={root}"], check=True)
    root.chmod(0o755)
    (root / "models").mkdir()
    os.chown(root / "models", POD, POD)
    for name, minor in _DEVICES.items():
        os.mknod(root / "dev" / name, stat.S_IFCHR, os.makedev(1, minor))
        (root / "dev" / name).chmod(0o666)
    return root


def started(root: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program of the image as a pod would."""
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "PYTHONPATH": "/opt/serinus", "HOME": "/", **environment}
    argv = [system.program("chroot"), f"--userspec={POD}:{POD}", str(root), *command]
    return subprocess.run(argv, capture_output=True, text=True, env=variables, check=False, timeout=300)
