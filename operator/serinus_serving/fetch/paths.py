"""Which names may be written: what a store or an archive calls a file decides where it lands."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from serinus_serving.fetch.errors import ArtifactUnsafe

_NAME_BYTES = 255
_PATH_BYTES = 1024


def safe_path(path: str) -> str:
    """Return a relative path of plain names, `./` in front and `/` behind taken away; raises ArtifactUnsafe."""
    parts = path.removeprefix("./").removesuffix("/").split("/")
    if path.startswith("/") or ".." in parts:
        raise ArtifactUnsafe(f"{shown(path)} leaves the model's folder: pack the model with paths relative to it")
    if any(part in ("", ".") for part in parts):
        raise ArtifactUnsafe(f"{shown(path)} has an empty part: pack the model with plain paths")
    if "\\" in path or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in path):
        raise ArtifactUnsafe(f"{shown(path)} has a backslash or a control character: rename the file")
    if len(path.encode()) > _PATH_BYTES or any(len(part.encode()) > _NAME_BYTES for part in parts):
        raise ArtifactUnsafe(f"{shown(path)} is longer than a file's name can be: rename the file")
    return "/".join(parts)


def check_tree(paths: Iterable[str]) -> None:
    """Refuse a name that stands for two files, or for a file and a folder; raises ArtifactUnsafe."""
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise ArtifactUnsafe(f"{shown(path)} is there twice: which one is the model's?")
        seen.add(path)
    for path in seen:
        parts = path.split("/")
        for end in range(1, len(parts)):
            if (folder := "/".join(parts[:end])) in seen:
                raise ArtifactUnsafe(f"{shown(folder)} is a file and a folder: rename one")


def shown(path: str) -> str:
    """Write a name so that a terminal shows it and does not obey it."""
    return repr(path if len(path) <= 120 else f"{path[:117]}...")
