"""What the team may not add to a revision's pods, because it would break what the operator relies on.

Admission says some of it too; objects are as safe without. Whatever Kubernetes alone can judge (the name of a field, a
quantity) is left to the API server, which refuses the Deployment in words of its own.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from serinus.api.pod_template import (
    HARMLESS_KEYS,
    INJECTING_KEYS,
    OWN_CONTAINERS,
    OWN_VOLUMES,
    RESERVED_KEYS,
    PodPart,
    PodTemplate,
)
from serinus.api.runtime import EnvVar, RuntimeType
from serinus.core.model.errors import InvalidSpec
from serinus.core.model.kinds import Json
from serinus.core.plan.model_cache import CACHE_VOLUME
from serinus.core.plan.pod_security import beyond_baseline, beyond_baseline_in
from serinus.core.plan.storage import MODEL_VOLUME
from serinus.core.plan.variables import expanded, written_values
from serinus.core.serving.runtime import ServingRuntime
from serinus.core.serving.runtimes import server_container

_FIELD: Final = "spec.runtime.podTemplate"
_SHARED: Final = frozenset({MODEL_VOLUME, "tmp", "shared-memory"})
"""What a team's containers may mount of ours: none of it is more than the pod's own, and no model is written to."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:,/*-]*")
"""Numbers, ports and levels. Meshes make YAML of what stands there, and a quote in it could begin another field."""


def check_pod_template(wish: PodTemplate, template: Json, server: ServingRuntime, models: str) -> None:
    """Raise InvalidSpec where the team's part would break ours; `models` is the folder that the server loads from."""
    ours = server_container(template)
    _check_keys("labels", wish.labels or {})
    _check_keys("annotations", wish.annotations or {})
    if wish.command is None:
        _check_arguments(wish.args or (), server, written_values(ours.get("env", ())))
    elif server.type is not RuntimeType.OPENAI:
        raise InvalidSpec(f"{_FIELD}.command", f"{server.title} is started by the operator: leave it out")
    _check_names("volumes", wish.volumes or (), OWN_VOLUMES)
    for volume in wish.volumes or ():
        if "hostPath" in volume.manifest():
            text = "hostPath reads and writes the node's own files: take a claim or an emptyDir"
            raise InvalidSpec(f"{_FIELD}.volumes[{volume.name}]", text)
    _check_mounts(wish, [str(mount["mountPath"]) for mount in ours["volumeMounts"]], models)
    for field, parts in (("containers", wish.containers or ()), ("initContainers", wish.init_containers or ())):
        _check_names(field, parts, OWN_CONTAINERS)
        for part in parts:
            _check_container(f"{_FIELD}.{field}[{part.name}]", part.manifest(), ours["ports"])
    _check_security("securityContext", wish.security_context)
    _check_security("containerSecurityContext", wish.container_security_context)


def check_variables(variables: Sequence[EnvVar], server: ServingRuntime) -> None:
    """Raise InvalidSpec where a variable of the server's is ours."""
    for variable in variables:
        name = variable.name.upper() if server.reads_any_case else variable.name
        if name in server.own_variables:
            text = f"{variable.name} is the operator's own with {server.title}: leave it out"
            raise InvalidSpec("spec.runtime.env", text)


def _check_keys(field: str, wished: Mapping[str, str]) -> None:
    for key, value in wished.items():
        if re.match(RESERVED_KEYS, key):
            raise InvalidSpec(f"{_FIELD}.{field}", f"{key} is the operator's own: leave it out")
        if re.match(INJECTING_KEYS, key):
            _check_mesh(f"{_FIELD}.{field}", key, value)
        if CACHE_VOLUME in value:
            # Other webhooks mount volumes that a pod has, such as Dapr's by dapr.io/volume-mounts.
            raise InvalidSpec(f"{_FIELD}.{field}", f"{key} names {CACHE_VOLUME}, a volume of the operator's own")
        if "apparmor" in key and value == "unconfined":
            raise InvalidSpec(f"{_FIELD}.{field}", f"{key} {value} is beyond Pod Security's baseline: leave it out")


def _check_mesh(field: str, key: str, value: str) -> None:
    if not re.match(HARMLESS_KEYS, key):
        raise InvalidSpec(field, f"{key} has a mesh add more to the pods than a team may: leave it out")
    if not _PLAIN.fullmatch(value):
        raise InvalidSpec(field, f"{key} is {value[:100]!r}: write letters, digits and _ . : , / * - alone")


def _check_arguments(arguments: Sequence[str], server: ServingRuntime, values: Mapping[str, str]) -> None:
    """Refuse the operator's own flags, also shortened: parsers of options take the beginning of a name for the name.

    They are read as the server reads them, with the values of its variables; those of Secrets and ConfigMaps are not
    known here.
    """
    for argument in arguments:
        # vLLM's takes an underscore for a hyphen.
        name = expanded(argument, values).partition("=")[0].replace("_", "-")
        taken = [flag for flag in sorted(server.own_flags) if flag.startswith(name)] if name.startswith("--") else []
        if taken and len(name) > len("--"):
            raise InvalidSpec(
                f"{_FIELD}.args", f"{argument} sets {taken[0]}, which is the operator's own: leave it out"
            )


def _check_names(field: str, parts: Iterable[PodPart], own: str) -> None:
    seen: set[str] = set()
    for part in parts:
        if re.match(own, part.name):
            raise InvalidSpec(f"{_FIELD}.{field}", f"{part.name} is a name of the operator's own: choose another")
        if part.name in seen:
            raise InvalidSpec(f"{_FIELD}.{field}", f"{part.name} stands there twice: rename one")
        seen.add(part.name)


def _check_mounts(wish: PodTemplate, taken: Sequence[str], models: str) -> None:
    """Refuse mounts in the server that are of no volume of the team's, or that would hide or change what is there."""
    field, known = f"{_FIELD}.volumeMounts", {volume.name for volume in wish.volumes or ()}
    for mount in wish.volume_mounts or ():
        name = str(mount.get("name"))
        path = posixpath.normpath("/" + str(mount.get("mountPath")).lstrip("/"))
        if name not in known:
            raise InvalidSpec(field, f"{name} is no volume of {_FIELD}.volumes: add it there, or name another")
        hidden = [each for each in (models, *taken) if _is_below(each, path)]
        if hidden or _is_below(path, models):
            what = hidden[0] if hidden else models
            raise InvalidSpec(field, f"{path} is in the way of {what}, which is the operator's own: choose another")


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _check_container(field: str, container: Json, ports: Sequence[Json]) -> None:
    """Refuse a container that would take the server's ports, write to the model, or have rights over its node."""
    taken = [port[key] for port in ports for key in ("name", "containerPort")]
    for port in _objects(container.get("ports")):
        used = [port[key] for key in ("name", "containerPort") if port.get(key) in taken]
        if used:
            raise InvalidSpec(f"{field}.ports", f"{used[0]} is the server's own: choose another")
        if port.get("hostPort"):
            raise InvalidSpec(f"{field}.ports", f"hostPort {port['hostPort']} is the node's own: leave it out")
    _check_volumes(field, container)
    forbidden = beyond_baseline_in(container)
    if forbidden:
        raise InvalidSpec(field, f"{forbidden} is beyond Pod Security's baseline: leave it out")


def _check_volumes(field: str, container: Json) -> None:
    """Refuse what would write to the model, or see what other pods have fetched and what this one must fetch."""
    for kind in ("volumeMounts", "volumeDevices"):
        for used in _objects(container.get(kind)):
            name = str(used.get("name"))
            if re.match(OWN_VOLUMES, name) and (name not in _SHARED or kind == "volumeDevices"):
                raise InvalidSpec(f"{field}.{kind}", f"{name} is the operator's own: leave it out")
            if name == MODEL_VOLUME and used.get("readOnly") is not True:
                raise InvalidSpec(f"{field}.{kind}", f"{name} is mounted for writing: add readOnly: true")


def _check_security(field: str, context: Json | None) -> None:
    forbidden = beyond_baseline(context or {})
    if forbidden:
        raise InvalidSpec(f"{_FIELD}.{field}", f"{forbidden} is beyond Pod Security's baseline: leave it out")


def _objects(found: Any) -> tuple[Json, ...]:
    """Take the objects of a list of the team's; what else stands there, the API server refuses."""
    return tuple(one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()
