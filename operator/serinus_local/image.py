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


def layer(target: Path, files: Mapping[str, Path], *, folders: Iterable[str] = (), with_bytecode: bool = False) -> Path:
    """Write a layer with these files and folders (path in the image → path here), all root's and readable.

    The same files give the same bytes, whoever writes them, and when. Bytecode is left out where nobody asks for it: it
    may be of another Python.
    """
    with tarfile.open(target, "w") as tar:
        for folder in folders:
            tar.addfile(_folder(folder))
        for inside, outside in files.items():
            tar.add(outside, arcname=inside.lstrip("/"), filter=_plain if with_bytecode else _plain_source)
    return target


def archive(target: Path, name: str, layers: Sequence[Path], config: Mapping[str, object]) -> Path:
    """Write a docker archive, the format that `ctr images import` and others read."""
    sums = [sha256(path) for path in layers]
    described = configuration(config, sums)
    config_name = f"{hashlib.sha256(described).hexdigest()}.json"
    index = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{digest}.tar" for digest in sums]}]
    unfinished = target.with_suffix(".new")
    with tarfile.open(unfinished, "w") as tar:
        for digest, path in zip(sums, layers, strict=True):
            tar.add(path, arcname=f"{digest}.tar")
        add_bytes(tar, config_name, described)
        add_bytes(tar, "manifest.json", json.dumps(index).encode())
    unfinished.rename(target)
    return target


def configuration(config: Mapping[str, object], layers: Sequence[str]) -> bytes:
    """Describe how an image of these layers (their SHA-256, in hexadecimal) runs, as Docker and OCI both read it.

    The history is optional, but builders that keep layers refuse to build upon an image whose history lacks one.
    """
    return json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in layers]},
            "history": [{"created_by": "make image"} for _ in layers],
        }
    ).encode()


def shared_libraries(binary: Path) -> list[Path]:
    """Return the libraries of this machine that a dynamic program needs, its loader among them."""
    answer = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=True)
    return [Path(found) for found in re.findall(r"(/\S+) \(0x", answer.stdout)]


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mtime = 0
    # Not the modes of here: those follow the umask of whoever unpacked the files.
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    return entry


def _plain_source(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else _plain(entry)


def _folder(path: str) -> tarfile.TarInfo:
    """Describe a folder that only root may write to; everybody may to `tmp`."""
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if path.strip("/") == "tmp" else 0o755
    return entry


def add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file that is only in memory."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def sha256(path: Path) -> str:
    """Return the digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
