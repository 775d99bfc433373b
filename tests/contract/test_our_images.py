"""Our images, built a second time from nothing but the packages, and by the Dockerfile, without a daemon.

In one file, so that they share the layers that are made anew.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import ssl
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serinus_local import cache, chart, images, oci, operator_image, system
from serinus_local.image import sha256
from serinus_local.operator_image import Contents
from tests.support.image_root import started, unpacked
from tests.support.stack import require_node

pytestmark = [pytest.mark.timeout(1200)]

BOOTSTRAP = ("mmdebstrap", "--quiet", "--variant=minbase", "bookworm")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cache with nothing but what was fetched from PyPI."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "serinus").mkdir()
    (folder / "serinus" / "pypi").symlink_to(cache.folder("pypi"))
    return folder


@pytest.mark.parametrize("contents", operator_image.CHOICES.values(), ids=operator_image.CHOICES)
def test_the_same_code_and_packages_give_the_same_digest(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    """Whoever builds it again can prove what is in it."""
    require_node()
    first = operator_image.write(tmp_path / "first.tar", "serinus:1", contents)
    monkeypatch.setenv("XDG_CACHE_HOME", str(empty))
    assert operator_image.write(tmp_path / "second.tar", "serinus:1", contents) == first
    assert sha256(tmp_path / "second.tar") == sha256(tmp_path / "first.tar")


def test_the_operator_starts_from_the_layers_alone(tmp_path: Path) -> None:
    """Nothing of the machine is needed: statistics and certificates are there, a shell is not."""
    require_node()
    root = unpacked(operator_image.OPERATOR, tmp_path)
    tried = (
        "import ssl, numpy, scipy.stats, grpc, tritonclient.grpc, promql_parser, serinus.app; "
        "assert ssl.create_default_context().get_ca_certs()"
    )
    answer = started(root, "python", "-W", "error::ImportWarning", "-c", tried)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert not [path for path in ("bin/sh", "usr/bin/sh", "usr/bin/apt", "usr/bin/dpkg") if (root / path).exists()]
    uncompiled = [
        path for path in (root / "opt/serinus/serinus").rglob("*.py")
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
    ]  # fmt: skip
    assert uncompiled == []


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Give the command of buildah with a store of its own, in which both images share what they are made from."""
    require_node()
    if shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    state = tmp_path_factory.mktemp("buildah")
    command = ("buildah", f"--root={state / 'store'}", f"--runroot={state / 'run'}", "--storage-driver=overlay")
    yield command
    subprocess.run([*command, "rm", "--all"], capture_output=True, check=False)
    subprocess.run([*command, "rmi", "--all", "--force"], capture_output=True, check=False)
    subprocess.run(["umount", state / "store/overlay"], capture_output=True, check=False)  # buildah leaves it mounted
    shutil.rmtree(state)


@pytest.fixture(scope="module")
def debian(buildah: tuple[str, ...]) -> Path:
    """Give the image that the Dockerfile starts from, made as Debian makes it, and kept: no registry is asked."""
    system.need("mmdebstrap")
    target = cache.folder("images") / f"debian-{cache.digest([], recipe=' '.join(BOOTSTRAP))}.tar"
    with cache.locked("image-debian"):
        if not target.exists():
            files = target.with_suffix(".rootfs.tar")
            run(*BOOTSTRAP, str(files))
            described = {"Cmd": ["bash"], "Env": [images.PATH]}
            oci.write(target, "debian:bookworm-slim", [files], described)
            files.unlink()
    return cache.used(target)


@pytest.mark.parametrize("image", ["operator", "serving"])
def test_the_dockerfile_gives_what_make_image_gives(
    buildah: tuple[str, ...], debian: Path, tmp_path: Path, image: str
) -> None:
    """Every file of every layer, and how it is run; only the times of files differ."""
    run(
        *buildah, "build", "--isolation=chroot", "--network=host", "--layers", *trusting(tmp_path),
        f"--build-arg=DEBIAN=oci-archive:{debian}", "--tag=serinus:compared", f"--target={image}",
        str(chart.REPOSITORY),
    )  # fmt: skip
    run(*buildah, "push", "serinus:compared", f"oci-archive:{tmp_path / 'built.tar'}:compared")
    config, files = opened(tmp_path / "built.tar", tmp_path / "built")
    wanted: dict[str, str] = {}
    contents = operator_image.CHOICES[image]
    for layer in operator_image.layers(contents, fresh=True).values():  # as new as those of the build
        wanted |= listed(layer)
    assert {name: files.get(name) for name in wanted} == wanted
    assert set(files) - set(wanted) == set()
    for key, value in contents.config.items():
        ours, theirs = (sorted(each) if key == "Env" else each for each in (value, config.get(key, [])))
        if key == "Labels":
            theirs = {name: text for name, text in theirs.items() if name in ours}  # buildah adds one of its own
        assert theirs == ours, key


def trusting(folder: Path) -> list[str]:
    """Let pip trust in the build what this machine trusts: between it and PyPI there may be a proxy."""
    settings = folder / "pip.conf"
    settings.write_text("[global]\ncert = /trusted.crt\n")
    trusted = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    return [f"--volume={trusted}:/trusted.crt:ro", f"--volume={settings}:/etc/pip.conf:ro"]


def opened(archive: Path, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read an OCI archive: how it is run, and its files."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
    manifest = json.loads(blob(folder, entry).read_text())
    files: dict[str, str] = {}
    for layer in manifest["layers"]:
        files |= listed(blob(folder, layer))
    return json.loads(blob(folder, manifest["config"]).read_text())["config"], files


def blob(folder: Path, described: dict[str, str]) -> Path:
    """Find a blob of an unpacked archive."""
    return folder / "blobs" / "sha256" / described["digest"].removeprefix("sha256:")


def listed(layer: Path) -> dict[str, str]:
    """Say of each file in a layer what it is: mode, owner and contents. Folders that hold others have none."""
    found = {}
    with tarfile.open(layer) as tar:
        for entry in tar:
            if entry.isdir():
                continue
            content = None if entry.issym() else tar.extractfile(entry)  # a link may lead to another layer
            digest = hashlib.sha256(content.read()).hexdigest() if content else ""
            link = entry.linkname if entry.issym() else ""
            mode = "" if entry.issym() else oct(entry.mode & 0o7777)  # buildah says the kind of a file there, too
            found[entry.name.removeprefix("./")] = f"{mode} {entry.uid}:{entry.gid} {link}{digest}"
    return found


def run(*command: str) -> None:
    """Run a program that must succeed."""
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, f"{' '.join(command)}:\n{answer.stdout[-3000:]}{answer.stderr[-3000:]}"
