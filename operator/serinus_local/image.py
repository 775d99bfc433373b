"""Writes container images without a container engine: layers are tar files, an image is a tar of those."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Image:
    """An image on disk: the name that pods use, and its archive, whose file name tells its contents."""

    name: str
    archive: Path


def layer(target: Path, files: Mapping[str, Path], *, folders: Iterable[str] = ()) -> Path:
    """Write a layer with these files and folders (path in the image → path here), all root's and readable."""
    with tarfile.open(target, "w") as tar:
        for folder in folders:
            tar.addfile(_folder(folder))
        for inside, outside in files.items():
            tar.add(outside, arcname=inside.lstrip("/"), filter=_plain)
    return target


def archive(target: Path, name: str, layers: Sequence[Path], config: Mapping[str, object]) -> Path:
    """Write a docker archive, the format that `ctr images import` and others read."""
    sums = [_sha256(path) for path in layers]
    described = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in sums]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(described).hexdigest()}.json"
    index = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}.tar" for digest in sums]}]
    unfinished = target.with_suffix(".new")
    with tarfile.open(unfinished, "w") as tar:
        for digest, path in zip(sums, layers, strict=True):
            tar.add(path, arcname=f"{digest}.tar")
        _write(tar, config_name, described)
        _write(tar, "manifest.json", json.dumps(index).encode())
    unfinished.rename(target)
    return target


def shared_libraries(binary: Path) -> list[Path]:
    """Return the libraries of this machine that a dynamic program needs, its loader among them."""
    answer = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True)
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", answer.stdout)]


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    return None if "__pycache__" in entry.name else entry


def _folder(path: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry


def _write(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
