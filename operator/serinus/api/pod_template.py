"""What the team adds to a revision's pods, beside what the operator needs in them.

Volumes, containers, affinity and such are passed on as they are written: the API server knows all of their fields, and
says of the Deployment what is wrong with them. What would break the operator's own part is refused.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, JsonValue, WithJsonSchema

from serinus.api.base import ApiModel
from serinus.api.constraints import Label, LabelValue, ObjectName
from serinus.api.rules import ATOMIC, MAP_BY_NAME, VALIDATIONS, Keywords, Rule, rule, ruled

_UNKNOWN_FIELDS: Final[dict[str, JsonValue]] = {"x-kubernetes-preserve-unknown-fields": True}
Verbatim = Annotated[dict[str, Any], WithJsonSchema({"type": "object", **_UNKNOWN_FIELDS})]
"""A part of a pod as Kubernetes writes it."""
Verbatims = Annotated[tuple[Verbatim, ...], Field(max_length=32), ATOMIC]

RESERVED_KEYS: Final = (
    r"^(serinus\.dev/|service\.istio\.io/canonical-|app\.kubernetes\.io/(name|instance|managed-by|part-of)$)"
)
"""Labels and annotations by which we, and Istio's metrics, know a revision's pods."""
INJECTING_KEYS: Final = r"^([^/]*[.])?(istio[.]io/|linkerd[.]io/.*image|consul[.]hashicorp[.]com/.*volume)"
"""What webhooks of meshes read: by it who writes a pod has them add images and volumes of their choice, with rights of
the mesh's own. https://istio.io/latest/docs/reference/config/annotations/ (sidecar.istio.io/userVolume may be a folder
of the node), https://linkerd.io/2/reference/proxy-configuration/ (linkerd-init may change the node's network),
https://developer.hashicorp.com/consul/docs/k8s/annotations-and-labels (consul-sidecar-user-volume)."""
HARMLESS_KEYS: Final = (
    "^(istio[.]io/(rev|dataplane-mode)|prometheus[.]istio[.]io/merge-metrics"
    "|sidecar[.]istio[.]io/(inject|proxy(CPU|Memory)(Limit)?|(l|componentL)ogLevel|rewriteAppHTTPProbers)"
    "|traffic[.]sidecar[.]istio[.]io/(in|ex)clude(In|Out)bound(Ports|IPRanges))$"
)
"""Those of them that a team may set: whether there is a proxy, how large it is, and what goes through it."""
OWN_CONTAINERS: Final = "^(triton|mlserver|openai|serinus-.*)$"
OWN_VOLUMES: Final = "^(model|tmp|shared-memory|serinus-.*)$"


def _free_keys(field: str) -> Rule:
    return rule(
        f"!has(self.{field}) || self.{field}.all(key, !key.matches(r'{RESERVED_KEYS}'))",
        f"a key of {field} is the operator's own: leave it out",
    )


_HARMLESS_ANNOTATIONS: Final = rule(
    "!has(self.annotations) || !self.annotations.exists(key, "
    f"key.matches('{INJECTING_KEYS}') && !key.matches('{HARMLESS_KEYS}'))",
    "a key of annotations has a mesh add more to the pods than a team may: leave it out",
)


def _free_names(pattern: str, what: str) -> Keywords:
    condition = f"self.all(each, !each.name.matches('{pattern}'))"
    return Keywords({VALIDATIONS: [rule(condition, f"a {what} has a name of the operator's own: choose another")]})


class PodPart(ApiModel):
    """A part of a pod that has a name; all else is passed on as it is written."""

    model_config = ConfigDict(extra="allow", json_schema_extra=_UNKNOWN_FIELDS)

    name: Label
    """Its name in the pod."""


PodParts = Annotated[tuple[PodPart, ...], Field(max_length=32), MAP_BY_NAME]


Arguments = Annotated[tuple[Annotated[str, Field(max_length=1024)], ...], Field(max_length=64), ATOMIC]


class PodTemplate(ApiModel):
    """What you add to the pods. Where no type is given, all fields that Kubernetes knows are passed on as written."""

    model_config = ruled(_free_keys("labels"), _free_keys("annotations"), _HARMLESS_ANNOTATIONS)

    labels: Annotated[dict[str, LabelValue], Field(max_length=32)] | None = None
    """Labels of the pods."""
    annotations: Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=32)] | None = None
    """Annotations of the pods."""
    command: Annotated[Arguments, Field(min_length=1)] | None = None
    """What is started, with `args`, in place of `vllm serve`. Type openai only."""
    args: Arguments | None = None
    """Arguments of the server, after the operator's."""
    volumes: Annotated[PodParts, _free_names(OWN_VOLUMES, "volume")] | None = None
    """More volumes. hostPath is refused."""
    volume_mounts: Verbatims | None = None
    """Where the server mounts them."""
    containers: Annotated[PodParts, _free_names(OWN_CONTAINERS, "container")] | None = None
    """Containers beside the server."""
    init_containers: Annotated[PodParts, _free_names(OWN_CONTAINERS, "container")] | None = None
    """Containers before the server, with the model at hand; with restartPolicy Always beside it."""
    service_account_name: ObjectName | None = None
    """The pods' ServiceAccount. Its token is not mounted."""
    priority_class_name: ObjectName | None = None
    """The pods' PriorityClass."""
    runtime_class_name: ObjectName | None = None
    """The pods' RuntimeClass."""
    affinity: Verbatim | None = None
    """The pods' affinity to nodes and to other pods."""
    topology_spread_constraints: Verbatims | None = None
    """How the pods are spread. Without a labelSelector a constraint counts those of the revision."""
    security_context: Verbatim | None = None
    """Fields that replace those of the pods' security context."""
    container_security_context: Verbatim | None = None
    """Fields that replace those of the server's security context."""
