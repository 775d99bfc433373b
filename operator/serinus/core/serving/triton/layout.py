"""Where the keys of a ConfigMap go in the model's folder: keys cannot contain `/`, and Triton looks in several places.

A model's own files belong in its version folder. Files named in config.pbtxt go where Triton looks for that field's
files: labels beside config.pbtxt, warm-up samples in `warmup/`, initial states in `initial_state/`.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator

CONFIG_KEY = "config.pbtxt"
VERSION_FOLDER = "1"

_FOLDERS = {"label_filename": "", "input_data_file": "warmup", "data_file": "initial_state"}
"""The fields of config.pbtxt that name a file, and the folder of the model in which Triton opens it."""
_NAMED = re.compile(r"""\#[^\n]*|(?P<field>\w+)\s*:\s*(?P<quote>["'])(?P<value>(?:\\.|(?!(?P=quote)).)*)(?P=quote)""")
"""A comment, or a field with a text, so that neither is looked for inside the other."""
_IN_MODEL_FOLDER = re.compile(r"\$\$TRITON_MODEL_DIRECTORY/(?P<path>[^\s\"';,]+)")


def file_paths(keys: Iterable[str], config: str = "") -> dict[str, str]:
    """Tell for each key the path below the model's folder; `config` is the text of config.pbtxt."""
    named = {posixpath.basename(path): path for path in _named_paths(config)}
    return {key: _path(key, named) for key in sorted(keys)}


def _path(key: str, named: dict[str, str]) -> str:
    return key if key == CONFIG_KEY else named.get(key, f"{VERSION_FOLDER}/{key}")


def _named_paths(config: str) -> Iterator[str]:
    """List the paths that config.pbtxt names; one that leaves the model's folder names none of its files."""
    for match in _NAMED.finditer(config):
        value = match["value"] or ""
        found = [each["path"] for each in _IN_MODEL_FOLDER.finditer(value)]
        if match["field"] in _FOLDERS:
            found.append(posixpath.join(_FOLDERS[match["field"]], value))
        for path in map(posixpath.normpath, found):
            if not path.startswith(("/", "..")):
                yield path
