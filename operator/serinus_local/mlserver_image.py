"""An image with MLServer and scikit-learn, for tests that run MLServer for real; no part of the stack by itself.

Seldon's own image is on a registry only. This one has the same packages from PyPI, on our minimal Debian. MLServer does
not start with uvloop 0.22 (docs/serving.md): whoever makes the lock file anew asks for an older one.
"""

from __future__ import annotations

import sys
from typing import Final

from serinus_local import cache, operator_image, pypi
from serinus_local.image import Image
from serinus_local.operator_image import Contents

MLSERVER: Final = Contents(
    "mlserver",
    pypi.REQUIREMENTS / "mlserver.txt",
    "",
    ("mlserver",),
    ("start", "/models"),
    programs={"mlserver": "mlserver.cli:main"},
    debian=("dash",),  # the operator starts it by `sh`
)
"""mlserver, mlserver-sklearn and what they need."""


def mlserver() -> Image:
    """Return the image for the local stack, building what is missing."""
    return operator_image.made(MLSERVER)


def trainer() -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the start of a command line that runs Python with the image's packages alone, and its environment.

    A model must be trained by the scikit-learn that loads it. The packages stay as they are, as an image is made of
    them: their bytecode is kept elsewhere.
    """
    packages = pypi.installed(MLSERVER.name, MLSERVER.locked)
    return (sys.executable, "-S"), {
        "PYTHONPATH": str(packages),
        "PYTHONPYCACHEPREFIX": str(cache.used(cache.folder("bytecode", packages.name))),
    }
