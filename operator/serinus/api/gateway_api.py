"""Which Gateways, or listeners of them, carry a route of the Kubernetes Gateway API."""

from __future__ import annotations

from itertools import combinations
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from serinus.api.base import ApiModel
from serinus.api.constraints import Label, ObjectName
from serinus.api.rules import ATOMIC, rule, ruled

_TOLD_APART: Final = rule(
    "!has(self.parentRefs) || self.parentRefs.all(a, self.parentRefs.all(b, a == b || a.name != b.name"
    " || has(a.__namespace__) != has(b.__namespace__)"
    " || (has(a.__namespace__) && a.__namespace__ != b.__namespace__)"
    " || (has(a.sectionName) && has(b.sectionName) && a.sectionName != b.sectionName)))"
    " && self.parentRefs.all(a, self.parentRefs.exists_one(b, a == b))",
    "names the same Gateway twice: give each of them another sectionName, or remove one",
    path=".parentRefs",
)
"""The API server refuses an HTTPRoute that does not hold to it, whatever the ports are."""


class ParentRef(ApiModel):
    """A Gateway, or one listener of it."""

    name: ObjectName
    """The Gateway's name."""
    namespace: Label | None = None
    """The Gateway's namespace; default the ModelDeployment's own. Those of other namespaces must be granted in the
    operator's configuration."""
    section_name: ObjectName | None = None
    """The name of one listener; default every listener that has the host."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """The port of the listeners; default every port."""


class GatewayApiTraffic(ApiModel):
    """Settings of the Kubernetes Gateway API."""

    model_config = ruled(_TOLD_APART)

    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=8), ATOMIC]
    """Gateways that the route is bound to, as in an HTTPRoute."""

    @model_validator(mode="after")
    def _are_told_apart(self) -> Self:
        for one, other in combinations(self.parent_refs, 2):
            if (one.name, one.namespace) != (other.name, other.namespace):
                continue
            if None in (one.section_name, other.section_name) or one.section_name == other.section_name:
                raise ValueError(f"parentRefs {_TOLD_APART['message']}")
        return self
