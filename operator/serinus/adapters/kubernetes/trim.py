"""What the cache keeps of each kind: the fields that decisions read.

Ten thousand objects fit in one process only without managedFields, which are as large as the object. The one part of
them that matters is kept as `metadata.replicasOwner`: who else owns a Deployment's `spec.replicas`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from serinus.api.canonical import digest
from serinus.core.model.identity import FIELD_MANAGER, MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    GATEWAY,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    ISTIO_GATEWAY,
    POD,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)

Trim: TypeAlias = Callable[[Json], Json]

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_FOREIGN_METADATA: Final = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "labels",
    "ownerReferences",
    "deletionTimestamp",
)
MOST_KEPT: Final = 64
"""Of somebody else's route: its rules, the paths of each and the destinations of each."""
_SCALER_SPEC: Final = ("scaleTargetRef", "minReplicas", "maxReplicas", "minReplicaCount", "maxReplicaCount")
_CONTAINER_STATUS: Final = ("name", "ready", "started", "restartCount", "state", "lastState", "image", "imageID")
_POD_STATUS: Final = ("phase", "podIP", "startTime", "conditions", "reason", "message")


def trim(manifest: Json) -> Json:
    """Drop what no decision reads of any kind."""
    metadata = _without(manifest["metadata"], ("managedFields", "selfLink"))
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        metadata["annotations"] = _without(metadata["annotations"], (_LAST_APPLIED,))
    return {**manifest, "metadata": metadata}


def trim_deployment(manifest: Json) -> Json:
    """Keep who besides us owns the number of replicas: only then may an apply leave it out."""
    kept = trim(manifest)
    owner = replicas_owner(manifest["metadata"].get("managedFields") or ())
    if owner is not None:
        kept["metadata"]["replicasOwner"] = owner
    elif "managedFields" in manifest["metadata"]:
        kept["metadata"].pop("replicasOwner", None)
    return kept


def replicas_owner(managed_fields: Iterable[Json]) -> str | None:
    """Find the manager besides us that owns `spec.replicas`: a hand or an autoscaler, which nothing here tells apart.

    The entry outlives its controller, so it says only what an apply would do, and never who scales.
    """
    for entry in managed_fields:
        spec = (entry.get("fieldsV1") or {}).get("f:spec") or {}
        if "f:replicas" in spec and entry.get("manager") != FIELD_MANAGER:
            return str(entry.get("manager"))
    return None


def trim_scaler(manifest: Json) -> Json:
    """Keep its target and bounds; the status of an autoscaler changes all the time and decides nothing."""
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": _only(manifest["metadata"], _FOREIGN_METADATA),
        "spec": _only(manifest.get("spec") or {}, _SCALER_SPEC),
    }


def trim_service(manifest: Json) -> Json:
    """Drop the status: no load balancer of ours is waited for."""
    return _without(trim(manifest), ("status",))


def trim_disruption_budget(manifest: Json) -> Json:
    """Drop the status: it changes with each pod, and who drains nodes reads it."""
    return _without(trim(manifest), ("status",))


def trim_pod(manifest: Json) -> Json:
    """Keep identity and health; of the spec only where it runs."""
    status = manifest.get("status") or {}
    kept = _only(status, _POD_STATUS)
    for field in ("containerStatuses", "initContainerStatuses"):
        if field in status:
            kept[field] = [_only(each, _CONTAINER_STATUS) for each in status[field]]
    return {**trim(manifest), "spec": _only(manifest.get("spec") or {}, ("nodeName",)), "status": kept}


def trim_controller_revision(manifest: Json) -> Json:
    """Drop what no pass reads: the model's files, which are fetched when needed, and the spec to go back to."""
    kept = trim(manifest)
    return {**kept, "data": _without(kept.get("data") or {}, ("files", "spec"))}


def trim_config_map(manifest: Json) -> Json:
    """Keep a digest (`metadata.dataDigest`) for the contents: they are up to a mebibyte and, of ours, immutable."""
    if "dataDigest" in manifest["metadata"]:
        return manifest
    kept = _without(trim(manifest), ("data", "binaryData"))
    kept["metadata"]["dataDigest"] = digest([manifest.get("data") or {}, manifest.get("binaryData") or {}])
    return kept


def trim_virtual_service(manifest: Json) -> Json:
    """Keep ours whole; of others' keep who they are, what they claim, and where their requests go."""
    return _trim_route(manifest, ("hosts", "gateways"), "http", _trim_istio_rule)


def trim_gateway(manifest: Json) -> Json:
    """Keep which hosts its servers have, and how they speak."""
    servers = (manifest.get("spec") or {}).get("servers") or ()
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": _only(manifest["metadata"], _FOREIGN_METADATA),
        "spec": {"servers": [_trim_server(server) for server in servers]},
    }


def trim_http_route(manifest: Json) -> Json:
    """Keep ours whole, with what its controllers answer; of others' keep what is kept of a VirtualService."""
    return _trim_route(manifest, ("hostnames", "parentRefs"), "rules", _trim_http_route_rule)


def _trim_route(manifest: Json, claims: tuple[str, ...], rules: str, trim_rule: Trim) -> Json:
    """Trim a route; one with more rules than we keep ends with a rule for every path, as far as we know."""
    if MODEL_DEPLOYMENT_LABEL in (manifest["metadata"].get("labels") or {}):
        return trim(manifest)
    spec = manifest.get("spec") or {}
    found = spec.get(rules) or ()
    kept = [trim_rule(rule) for rule in found[:MOST_KEPT]] + ([{}] if len(found) > MOST_KEPT else [])
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": _only(manifest["metadata"], _FOREIGN_METADATA),
        "spec": {**_only(spec, claims), **({rules: kept} if kept else {})},
    }


def _trim_istio_rule(rule: Json) -> Json:
    kept = _trim_matches(rule, "match", ("uri", "ignoreUriCase"))
    to = [{"destination": _only(one.get("destination") or {}, ("host",))} for one in rule.get("route") or ()]
    return {**kept, **_only(rule, ("delegate",)), **({"route": to[:MOST_KEPT]} if to else {})}


def _trim_http_route_rule(rule: Json) -> Json:
    kept = _trim_matches(rule, "matches", ("path",))
    to = [_only(one, ("kind", "name", "namespace")) for one in rule.get("backendRefs") or ()]
    return {**kept, **({"backendRefs": to[:MOST_KEPT]} if to else {})}


def _trim_matches(rule: Json, field: str, names: tuple[str, ...]) -> Json:
    """Keep each path once; more than we keep are none, which is every path."""
    found: list[Json] = []
    for match in rule.get(field) or ():
        kept = _only(match, names)
        if kept not in found:
            found.append(kept)
    return {field: found} if 0 < len(found) <= MOST_KEPT else {}


def trim_gateway_api_gateway(manifest: Json) -> Json:
    """Keep its listeners, and what its controller says of them."""
    status = manifest.get("status") or {}
    return {
        "apiVersion": manifest["apiVersion"],
        "kind": manifest["kind"],
        "metadata": _only(manifest["metadata"], _FOREIGN_METADATA),
        "spec": _only(manifest.get("spec") or {}, ("gatewayClassName", "listeners")),
        "status": _only(status, ("conditions", "listeners")),
    }


def _trim_server(server: Json) -> Json:
    return {
        "hosts": list(server.get("hosts") or ()),
        "port": _only(server.get("port") or {}, ("protocol",)),
        "tls": _only(server.get("tls") or {}, ("mode",)),
    }


def _only(fields: Json, names: Iterable[str]) -> Json:
    return {name: fields[name] for name in names if name in fields}


def _without(fields: Json, names: Iterable[str]) -> Json:
    return {name: value for name, value in fields.items() if name not in names}


TRIMS: Final[Mapping[Kind, Trim]] = {
    DEPLOYMENT: trim_deployment,
    SERVICE: trim_service,
    POD: trim_pod,
    POD_DISRUPTION_BUDGET: trim_disruption_budget,
    CONFIG_MAP: trim_config_map,
    VIRTUAL_SERVICE: trim_virtual_service,
    ISTIO_GATEWAY: trim_gateway,
    HTTP_ROUTE: trim_http_route,
    GATEWAY: trim_gateway_api_gateway,
    CONTROLLER_REVISION: trim_controller_revision,
    HORIZONTAL_POD_AUTOSCALER: trim_scaler,
    SCALED_OBJECT: trim_scaler,
}
