"""Joins what the team adds to a revision's pods with what the operator needs in them."""

from __future__ import annotations

from typing import Final

from serinus.api.pod_template import PodTemplate
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, REVISION_LABEL
from serinus.core.model.kinds import Json
from serinus.core.serving.runtimes import server_container

_LISTS: Final = ("volumes", "containers", "initContainers")
_PASSED_ON: Final = ("serviceAccountName", "priorityClassName", "runtimeClassName", "affinity")


def join_pod_template(template: Json, wish: PodTemplate) -> Json:
    """Add to a rendered template what the team asks for: what is there stays, but for the security contexts' fields.

    The server stays the first container, and what brings the model the first of the init containers.
    """
    labels = {**(wish.labels or {}), **template["metadata"]["labels"]}
    annotations = {**(wish.annotations or {}), **template["metadata"]["annotations"]}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": _pod(template, wish)}


def _pod(template: Json, wish: PodTemplate) -> Json:
    pod: Json = {**template["spec"], "containers": [_server(server_container(template), wish)]}
    pod["securityContext"] = {**pod["securityContext"], **(wish.security_context or {})}
    wished = wish.manifest()
    pod |= {field: [*pod.get(field, ()), *wished[field]] for field in _LISTS if wished.get(field)}
    pod |= {field: wished[field] for field in _PASSED_ON if field in wished}
    if wish.topology_spread_constraints:
        labels = template["metadata"]["labels"]
        own = {"matchLabels": {name: labels[name] for name in (MODEL_DEPLOYMENT_LABEL, REVISION_LABEL)}}
        # One without a selector counts no pods, and nobody can write a hash that is made of what they write.
        pod["topologySpreadConstraints"] = [{"labelSelector": own, **one} for one in wish.topology_spread_constraints]
    return pod


def _server(ours: Json, wish: PodTemplate) -> Json:
    return {
        **ours,
        "args": [*ours["args"], *(wish.args or ())],
        "securityContext": {**ours["securityContext"], **(wish.container_security_context or {})},
        "volumeMounts": [*ours["volumeMounts"], *(wish.volume_mounts or ())],
    }
