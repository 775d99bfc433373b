"""setCanaryScale: how many pods the canary has, where that is not to follow its weight."""

from __future__ import annotations

from typing import Final, Self

from pydantic import model_validator

from serinus.api.base import ApiModel
from serinus.api.constraints import Replicas, Weight
from serinus.api.rules import rule, ruled

_ONE_SCALE: Final = rule(
    "[has(self.replicas), has(self.weight), has(self.matchTrafficWeight)].filter(given, given).size() == 1 &&"
    " (!has(self.matchTrafficWeight) || self.matchTrafficWeight)",
    "needs exactly one of replicas, weight and matchTrafficWeight: true",
)


class CanaryScale(ApiModel):
    """The canary's pods; never fewer than its weight needs."""

    model_config = ruled(_ONE_SCALE)

    replicas: Replicas | None = None
    """At least so many pods."""
    weight: Weight | None = None
    """At least the pods of this weight: percent of scaling.minReplicas, rounded up."""
    match_traffic_weight: bool | None = None
    """true: the pods of the canary's own weight again, as before the first setCanaryScale."""

    @property
    def asks(self) -> bool:
        """Whether it asks for pods of its own, and not for those of the weight."""
        return self.match_traffic_weight is None

    @model_validator(mode="after")
    def _one_scale(self) -> Self:
        given = sum(one is not None for one in (self.replicas, self.weight, self.match_traffic_weight))
        if given != 1 or self.match_traffic_weight is False:
            raise ValueError(_ONE_SCALE["message"])
        return self
