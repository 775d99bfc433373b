"""Where the model comes from: the one seam from `storageUri` to volumes, mounts and init containers.

Every scheme names the model's own folder, which becomes `<repository>/<model>`. A pod's repository holds one model:
some servers load everything in it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serinus.core.model.errors import InvalidSpec
from serinus.core.model.kinds import Json
from serinus.core.serving.runtime import ServingRuntime

REPOSITORY = "/models"
MODEL_VOLUME = "model"

_FIELD = "spec.model.storageUri"
_WRITE = "write s3://bucket/path, oci://registry/repo:tag, pvc://claim/path, file:///path or configmap://name"
_URI = re.compile(r"^(?P<scheme>[a-z0-9+.-]+)://(?P<rest>.*)$")
_OBJECT_NAME = re.compile(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")


@dataclass(frozen=True)
class Storage:
    """What a pod needs to have the model in `repository`; `shared`: it writes to a volume that other pods write to."""

    volumes: tuple[Json, ...] = ()
    volume_mounts: tuple[Json, ...] = ()
    init_containers: tuple[Json, ...] = ()
    repository: str = REPOSITORY
    shared: bool = False


def plan_storage(
    uri: str,
    server: ServingRuntime,
    *,
    model: str,
    config_map: str | None = None,
    keys: Sequence[str] = (),
    settings: str = "",
) -> Storage:
    """Plan the storage of a model; `config_map` and `keys` are those of the revision's own copy (configmap:// only).

    `settings` is the text of the server's settings file, which may say where files are looked for. Raises InvalidSpec
    for a scheme or a form that we do not know.
    """
    scheme, rest = _parts(uri)
    match scheme:
        case "pvc":
            return _claim(rest, model)
        case "file":
            return _baked(rest, model, server)
        case "configmap":
            return _config_map(source_config_map(uri), config_map, model, server, server.file_paths(keys, settings))
    raise InvalidSpec(_FIELD, f"no scheme {scheme}:// is known: {_WRITE}")


def scheme_of(uri: str) -> str:
    """Tell the scheme of a storageUri; raises InvalidSpec for one that has none."""
    return _parts(uri)[0]


def source_config_map(uri: str) -> str | None:
    """Name the user's ConfigMap that a revision's copy is made of; None for every other scheme."""
    scheme, rest = _parts(uri)
    if scheme != "configmap":
        return None
    if not _OBJECT_NAME.match(rest):
        raise InvalidSpec(_FIELD, f"{uri} names no ConfigMap: write configmap://name, of the same namespace")
    return rest


def _parts(uri: str) -> tuple[str, str]:
    match = _URI.match(uri)
    if match is None:
        raise InvalidSpec(_FIELD, f"{uri} has no scheme: {_WRITE}")
    if ".." in match["rest"].split("/"):
        raise InvalidSpec(_FIELD, f"{uri} leaves its folder: write the path without ..")
    return match["scheme"], match["rest"]


def _claim(rest: str, model: str) -> Storage:
    claim, _, path = rest.partition("/")
    if not _OBJECT_NAME.match(claim):
        raise InvalidSpec(_FIELD, f"pvc://{rest} names no claim: write pvc://claim/path, of the same namespace")
    volume = {"name": MODEL_VOLUME, "persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
    mount = _mount(model)
    if path.strip("/"):
        mount["subPath"] = path.strip("/")
    return Storage(volumes=(volume,), volume_mounts=(mount,))


def _baked(rest: str, model: str, server: ServingRuntime) -> Storage:
    path = posixpath.normpath(rest)
    repository, name = posixpath.split(path)
    if not rest.startswith("/") or not name:
        raise InvalidSpec(_FIELD, f"file://{rest} is not an absolute path: write file:///models/{model}")
    if name != model:
        raise InvalidSpec(
            _FIELD,
            f"{server.title} takes the model's name from its folder, and file://{rest} ends in {name}: "
            f"set spec.model.name to {name}, or bake the model in a folder called {model}",
        )
    return Storage(repository=repository)


def _config_map(
    source: str | None, copy: str | None, model: str, server: ServingRuntime, paths: Mapping[str, str]
) -> Storage:
    if copy is None:
        raise InvalidSpec(_FIELD, f"ConfigMap {source} was not copied into the revision")
    lacks = server.lacks(paths.values())
    if lacks:
        raise InvalidSpec(_FIELD, f"ConfigMap {source} holds no model: {lacks}")
    items = [{"key": key, "path": path} for key, path in paths.items()]
    return Storage(
        volumes=({"name": MODEL_VOLUME, "configMap": {"name": copy, "items": items}},), volume_mounts=(_mount(model),)
    )


def _mount(model: str) -> Json:
    return {"name": MODEL_VOLUME, "mountPath": f"{REPOSITORY}/{model}", "readOnly": True}
