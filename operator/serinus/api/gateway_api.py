"""Which Gateways, or listeners of them, carry a route of the Kubernetes Gateway API."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from serinus.api.base import ApiModel
from serinus.api.constraints import Label, ObjectName
from serinus.api.rules import ATOMIC, rule, ruled

_TWICE: Final = rule(
    "!has(self.parentRefs) || self.parentRefs.all(a, self.parentRefs.exists_one(b, b == a))",
    "names the same parent twice: remove one, or tell them apart by sectionName or port",
    path=".parentRefs",
)


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

    model_config = ruled(_TWICE)

    parent_refs: Annotated[tuple[ParentRef, ...], Field(min_length=1, max_length=8), ATOMIC]
    """Gateways that the route is bound to, as in an HTTPRoute."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.parent_refs)) != len(self.parent_refs):
            raise ValueError(f"parentRefs {_TWICE['message']}")
        return self
