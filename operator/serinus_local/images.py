"""The three images of the stack: pause, Envoy, and Triton as it comes in a wheel, on a minimal Debian.

Triton's wheel has no ONNX backend: its image has onnxruntime and scikit-learn beside numpy, for models in Python.

Each is made once and named after what went into it; Triton's takes half a minute, the others a second.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from serinus_local import build, cache, pypi, system
from serinus_local.cache import say
from serinus_local.image import Image, archive, layer, shared_libraries

PAUSE = "docker.io/local/pause:1"
ENVOY = "docker.io/local/envoy:1.40.0"
TRITON = "docker.io/local/triton:2.51.0"
DEBIAN = "bookworm"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TRITONSERVER = """#!/bin/sh
# NVIDIA's image has its backends where the server looks by itself; the wheel has them beside the server.
server=/opt/triton/pytriton/tritonserver
exec "$server/bin/tritonserver" --backend-directory="$server/backends" "$@"
"""
_SERVERS = ("pytriton", "nvidia_pytriton")
_PACKAGES = "usr/local/lib/python3.11/dist-packages"
_COMPILE = ("-m", "compileall", "-qq", "-j", "0", "--invalidation-mode=unchecked-hash")
_UNUSED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")


def all_images() -> list[Image]:
    """Return every image that the node needs; what is missing is made, the programs in them too."""
    with ThreadPoolExecutor() as pool:  # Triton's is mostly a download: it comes while the programs are compiled
        tritons = pool.submit(triton)
        return [_pause(), _envoy(), tritons.result()]


def triton() -> Image:
    """Return the image with `tritonserver`, the Python backend, and the packages that its models may import."""
    recipe = f"{TRITON}{DEBIAN}{_TRITONSERVER}{_UNUSED}{_COMPILE}"
    return _made(TRITON, cache.digest([pypi.REQUIREMENTS / "triton.txt"], recipe=recipe), _make_triton)


def _pause() -> Image:
    def make(target: Path, scratch: Path) -> None:
        files = {"pause": build.binaries() / "pause"}
        archive(target, PAUSE, [layer(scratch / "pause.tar", files)], {"Entrypoint": ["/pause"], "User": "65535"})

    return _made(PAUSE, build.binaries().name, make)


def _envoy() -> Image:
    def make(target: Path, scratch: Path) -> None:
        binary = build.binaries() / "envoy"
        files = {"usr/local/bin/envoy": binary} | {str(lib): lib.resolve() for lib in shared_libraries(binary)}
        written = layer(scratch / "envoy.tar", files, folders=["tmp", "etc"])
        archive(target, ENVOY, [written], {"Entrypoint": ["/usr/local/bin/envoy"], "User": "1000", "Env": [PATH]})

    return _made(ENVOY, f"{build.binaries().name}-{platform.libc_ver()[1]}", make)


def _made(name: str, digest: str, make: Callable[[Path, Path], None]) -> Image:
    short = name.rpartition("/")[2].partition(":")[0]
    target = cache.folder("images") / f"{short}-{digest}.tar"
    with cache.locked(f"image-{short}"):
        if not target.exists():
            say(f"build image {name}")
            with tempfile.TemporaryDirectory(dir=cache.folder("images")) as scratch:
                make(target, Path(scratch))
    return Image(name, cache.used(target))


def _make_triton(target: Path, scratch: Path) -> None:
    wheel = pypi.installed("triton")
    server = wheel / "pytriton" / "tritonserver"
    stub = server / "python_backend_stubs" / "3.11" / "triton_python_backend_stub"
    inside = "opt/triton/pytriton/tritonserver"
    wrapper = scratch / "tritonserver"
    wrapper.write_text(_TRITONSERVER)
    wrapper.chmod(0o755)
    files = {
        "opt/triton/nvidia_pytriton.libs": wheel / "nvidia_pytriton.libs",
        f"{inside}/bin": server / "bin",
        f"{inside}/backends": server / "backends",
        # The backend starts one process a model with this stub; it must fit the Python of the image.
        f"{inside}/backends/python/triton_python_backend_stub": stub,
        "usr/local/bin/tritonserver": wrapper,
    }
    layers = [
        _debian(scratch),
        layer(scratch / "packages.tar", {_PACKAGES: _packages(wheel, scratch)}, with_bytecode=True),
        layer(scratch / "triton.tar", files, folders=["models"]),
    ]
    archive(target, TRITON, layers, {"Cmd": ["tritonserver"], "User": "1000", "Env": [PATH]})


def _packages(installed: Path, scratch: Path) -> Path:
    """Copy and compile what models import: all that is locked, but for the server's own wheel.

    Who serves may not write there, and each pod would compile NumPy anew.
    """
    root = scratch / "packages"
    shutil.copytree(installed, root / _PACKAGES, ignore=partial(_only_for_models, installed))
    compiled = [sys.executable, *_COMPILE, "-s", str(root), "-p", "/", str(root / _PACKAGES)]
    answer = subprocess.run(compiled, capture_output=True, text=True, check=False)
    if answer.returncode not in (0, 1):  # 1: a file of a test that is no Python on purpose
        raise RuntimeError(f"what models import cannot be compiled:\n{answer.stdout}{answer.stderr}")
    return root / _PACKAGES


def _only_for_models(installed: Path, folder: str, names: list[str]) -> set[str]:
    """Leave out bytecode of whoever ran them here, and at the top the server and the programs."""
    server = {name for name in names if name.startswith(_SERVERS) or name == "bin"}
    return {"__pycache__", *(server if Path(folder) == installed else ())}


def _debian(scratch: Path) -> Path:
    system.need("mmdebstrap")
    say("  a minimal Debian with Python (mmdebstrap, about half a minute)")
    target = scratch / "debian.tar"
    command = ["mmdebstrap", "--variant=minbase", "--include=python3-minimal,libpython3.11"]
    command += [f"--dpkgopt=path-exclude={path}" for path in _UNUSED]
    answer = subprocess.run([*command, DEBIAN, str(target)], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"mmdebstrap failed:\n{answer.stderr[-3000:]}")
    return target
