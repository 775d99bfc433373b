"""Triton's layout: finds the model among the files that were fetched, and tells where each of them goes; or keeps it.

A model's folder holds config.pbtxt, one version folder, and beside them what config.pbtxt names: labels, warm-up data,
a packed environment. What is evident is put right; what is not is refused, with a sentence that says how to lay it out.
https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_repository.md
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serinus_serving.fetch.errors import ArtifactLayout

CONFIG = "config.pbtxt"
_FIRST_VERSION = "1"
_VERSION = re.compile(r"^[1-9][0-9]*$")
"""Triton ignores folders with other names, and those that start with 0."""
_MODEL_FILES = (
    "model.onnx",
    "model.pt",
    "model.pt2",
    "model.plan",
    "model.py",
    "model.xml",
    "model.graphdef",
    "model.savedmodel",
    "model.json",
    "model.txt",
    "xgboost.json",
    "xgboost.model",
    "xgboost.ubj",
    "checkpoint.tl",
    "model.dali",
)
"""What Triton's backends load by default; savedmodel is a folder, and onnx may be one."""
_RENAMED = {".onnx": "model.onnx", ".pt": "model.pt", ".plan": "model.plan"}
"""One file of such a kind is the model, whatever it is called."""
_SAVED_MODEL = "saved_model.pb"
_KEPT_FOLDERS = ("warmup", "initial_state")
"""Where Triton looks for input_data_file and data_file of config.pbtxt."""
_PACKED = (".tar.gz", ".tgz")
_LABELS = re.compile(r'label_filename\s*:\s*["\']([^"\']+)')
_IN_MODEL_FOLDER = re.compile(r"\$\$TRITON_MODEL_DIRECTORY/([^\s\"';,]+)")
_DEFAULT_NAME = re.compile(r'default_model_filename\s*:\s*["\']([^"\']+)')
_ENSEMBLE = re.compile(r'(platform\s*:\s*["\']ensemble["\']|ensemble_scheduling\s*[:{])')


@dataclass(frozen=True)
class Layout:
    """Where each file goes: `moves` from the path that it has to its path below the folder of all models.

    `models` are the folders' names there: the model's own, and those of the models beside it. `empty` are the version
    folders of ensembles, which hold no file and which stores cannot keep.
    """

    moves: Mapping[str, str]
    models: tuple[str, ...]
    empty: tuple[str, ...] = ()


def lay_out(configs: Mapping[str, str], paths: Iterable[str], model: str) -> Layout:
    """Find Triton's layout in what was fetched.

    `configs` are the texts of all config.pbtxt by path, `model` is the name of the destination's folder. Raises
    ArtifactLayout when it is not evident.
    """
    everything = sorted(paths)
    prefix, tree = _unwrapped(everything)
    several = [] if _is_model(tree) else _several(tree, model)
    folders = {name: f"{prefix}{name}/" for name in several} or {model: prefix}
    moves: dict[str, str] = {}
    for name, folder in folders.items():
        inner = [path.removeprefix(folder) for path in everything if path.startswith(folder)]
        found = _model(inner, configs.get(f"{folder}{CONFIG}", ""), f"{name}/" if several else "")
        moves |= {f"{folder}{path}": f"{name}/{target}" for path, target in found.items()}
    versioned = {"/".join(target.split("/")[:2]) for target in moves.values() if target.count("/") > 1}
    empty = [name for name in folders if not any(_VERSION.match(each.removeprefix(f"{name}/")) for each in versioned)]
    return Layout(moves, tuple(folders), tuple(f"{name}/{_FIRST_VERSION}" for name in empty))


def keep(paths: Iterable[str], model: str, needed: Iterable[str]) -> Layout:
    """Leave every file where it is, but for folders around those that are `needed`, as archives have them.

    Raises ArtifactLayout where a needed file is missing.
    """
    prefix, tree = "", sorted(paths)
    while missing := sorted(set(needed) - set(tree)):
        tops = {path.partition("/")[0] for path in tree}
        if len(tops) != 1 or tops <= set(tree):
            raise ArtifactLayout(
                f"it holds {_listed(tops)} and no {missing[0]}: add it, or point the URI to the folder that holds it"
            )
        top = tops.pop()
        prefix += f"{top}/"
        tree = [path.removeprefix(f"{top}/") for path in tree]
    return Layout({f"{prefix}{path}": f"{model}/{path}" for path in tree}, (model,))


def _unwrapped(paths: list[str]) -> tuple[str, list[str]]:
    """Look into the one folder with which a model was packed; give its path, and the files' below it."""
    prefix, tree = "", paths
    while len(tops := {path.partition("/")[0] for path in tree}) == 1:
        (top,) = tops
        if top in tree or (_is_model(tree) and f"{top}/{CONFIG}" not in tree):
            break
        prefix += f"{top}/"
        tree = [path.removeprefix(f"{top}/") for path in tree]
    return prefix, tree


def _is_model(tree: list[str]) -> bool:
    """Tell whether these files are one model's folder, or can be made to be one."""
    tops = {path.partition("/")[0] for path in tree}
    return CONFIG in tree or any(_is_version(top, tree) for top in tops) or bool(_bare(tree, ""))


def _is_version(top: str, tree: list[str]) -> bool:
    return bool(_VERSION.match(top)) and top not in tree


def _several(tree: list[str], model: str) -> list[str]:
    """Name models that belong together, such as an ensemble and its steps: each top folder must be one."""
    tops = sorted({path.partition("/")[0] for path in tree})
    inner = [[path.removeprefix(f"{top}/") for path in tree if path.startswith(f"{top}/")] for top in tops]
    if not tree or not all(map(_is_model, inner)):
        raise ArtifactLayout(
            f"it holds {_listed(tops)} and no model that Triton loads: name the model file model.onnx, model.pt, "
            f"model.py or as its backend expects it, or put it into a folder 1 beside config.pbtxt"
        )
    if model not in tops:
        raise ArtifactLayout(
            f"it holds the models {_listed(tops)} and none is called {model}: name the folder of the one that is asked "
            f"{model}, or point the URI to one of them"
        )
    return tops


def _model(tree: list[str], config: str, where: str) -> dict[str, str]:
    """Tell where the files of one model's folder go within it; `where` names the folder to people."""
    versions = {top for path in tree if _is_version(top := path.partition("/")[0], tree)}
    if len(versions) > 1:
        raise ArtifactLayout(
            f"{where or 'it'} holds the versions {_listed(versions)}, and a revision serves one: "
            f"keep one version folder"
        )
    if versions or _ENSEMBLE.search(config):
        return {path: path for path in tree}
    bare = _bare(tree, config)
    if not bare:
        raise ArtifactLayout(
            f"{where}{CONFIG} has no model beside it: put the model into {where}1/, such as {where}1/model.onnx"
        )
    kept = _kept(tree, config)
    return {path: path if path in kept else f"{_FIRST_VERSION}/{bare.get(path, path)}" for path in tree}


def _bare(tree: list[str], config: str) -> dict[str, str]:
    """Find a model that lies outside of a version folder: the paths of its own files, and their names in there."""
    named = _DEFAULT_NAME.search(config)
    for name in (named[1],) if named else _MODEL_FILES:
        if found := [path for path in tree if path == name or path.startswith(f"{name}/")]:
            return {path: path for path in found}
    if _SAVED_MODEL in tree:
        return {path: f"model.savedmodel/{path}" for path in tree if path not in _kept(tree, config)}
    if named:
        return {}
    alone = [path for path in tree if "/" not in path and posixpath.splitext(path)[1] in _RENAMED]
    return {alone[0]: _RENAMED[posixpath.splitext(alone[0])[1]]} if len(alone) == 1 else {}


def _kept(tree: list[str], config: str) -> set[str]:
    """Tell which files stay at the root of the model's folder: what config.pbtxt names, and what is packed."""
    named = {CONFIG, *_LABELS.findall(config)}
    named |= {posixpath.normpath(path) for path in _IN_MODEL_FOLDER.findall(config)}
    return {
        path
        for path in tree
        if path in named
        or any(path.startswith(f"{folder}/") for folder in (*named, *_KEPT_FOLDERS))
        or ("/" not in path and (path.endswith(_PACKED) or re.search(r"labels.*\.txt$", path)))
    }


def _listed(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "") if found else "no file"
