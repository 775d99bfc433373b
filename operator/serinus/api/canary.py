"""The steps of a canary: what each shows, copies, sizes or waits for. Frozen in the Rollout."""

from __future__ import annotations

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from serinus.api import policy_rules as rules
from serinus.api.ab_test import AwaitGoal
from serinus.api.base import ApiModel
from serinus.api.canary_scale import CanaryScale
from serinus.api.constraints import Duration, Weight
from serinus.api.durations import seconds
from serinus.api.header_route import HeaderRoute
from serinus.api.mirror_route import MirrorRoute
from serinus.api.rules import ATOMIC, ruled


class Pace(StrEnum):
    """What the weight waits for: the pauses of the steps, or the risk budget."""

    EVIDENCE = "Evidence"
    TIMED = "Timed"


class Pause(ApiModel):
    """A pause: of a duration, or until promoted."""

    duration: Duration | None = None
    """How long; absent waits until promoted."""

    @property
    def seconds(self) -> float | None:
        """How long; None until promoted."""
        return None if self.duration is None else seconds(self.duration)


class Step(ApiModel):
    """One verb: a weight to set, a cohort to serve, requests to copy, a size, a pause, or a goal to wait for."""

    model_config = ruled(*rules.STEP)

    set_weight: Weight | None = None
    """The canary's share of requests, in percent; must rise from step to step."""
    pause: Pause | None = None
    """Time at this weight; {} waits until promoted."""
    set_header_route: HeaderRoute | None = None
    """Requests that go to the canary whatever its weight: a cohort, such as internal users, before the first percent.
    Later ones add to it; it ends at 100 percent."""
    set_mirror_route: MirrorRoute | None = None
    """Copies of requests for the canary, whose answers are thrown away: it is judged before anybody sees it. Before any
    setHeaderRoute or setWeight."""
    set_canary_scale: CanaryScale | None = None
    """The canary's pods from this step on, if they are more than its weight needs; until another setCanaryScale, or the
    end of the rollout."""
    await_goal: AwaitGoal | None = None
    """Users stay split like this until a goal is decided. After exactly one setWeight, and without a setHeaderRoute;
    needs traffic.sessionAffinity."""

    @model_validator(mode="after")
    def _has_a_verb(self) -> Self:
        """Refuse a verb of another version: a step that does nothing would let the weight walk on."""
        if all(getattr(self, verb) is None for verb in type(self).model_fields):
            raise ValueError(f"holds no verb that this version knows: {rules.VERBS}")
        return self


def _is_empty(steps: tuple[Step, ...]) -> bool:
    """Leave steps out that were left out: the schema takes no empty list."""
    return not steps


class Canary(ApiModel):
    """The steps of a new revision; after the last one the weight is 100."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=50, exclude_if=_is_empty), ATOMIC] = ()
    """The steps; each has one verb; default 5, 25 and 50 percent, a minute each."""
    pace: Pace | None = None
    """Timed (the weight rises after the pauses) or Evidence (as soon as the risk budget allows); default Timed."""

    model_config = ruled(*rules.CANARY)

    @model_validator(mode="after")
    def _fits_a_status(self) -> Self:
        """Refuse more matches than a status can hold: the rollout could not be recorded."""
        if sum(len(step.set_header_route.match) for step in self.steps if step.set_header_route) > rules.MOST_MATCHES:
            raise ValueError(rules.TOO_MANY_MATCHES)
        return self

    @model_validator(mode="after")
    def _copies_come_first(self) -> Self:
        """Refuse copies for a canary that answers somebody: whose answers are counted could not be told."""
        waiting = ("pause", "set_canary_scale", "await_goal")
        shown = [step for step in self.steps if all(getattr(step, verb) is None for verb in waiting)]
        copied = [step.set_mirror_route is not None for step in shown]
        percents = [step.set_mirror_route.percentage for step in shown if step.set_mirror_route]
        if sorted(copied, reverse=True) != copied or any(b <= a for a, b in pairwise(percents)):
            raise ValueError(rules.MIRROR_FIRST)
        return self

    @model_validator(mode="after")
    def _a_goal_has_a_split_of_its_own(self) -> Self:
        """Refuse a goal whose versions do not share the users by chance alone: nobody could compare them."""
        if all(step.await_goal is None for step in self.steps):
            return self
        walked = [step for step in self.steps if step.set_weight is not None or step.await_goal is not None]
        weights = [step.set_weight for step in walked]
        goal_is_second = len(walked) > 1 and (weights[0] or 100) < 100 and weights[1] is None
        if not goal_is_second or weights.count(None) > 1:
            raise ValueError(rules.GOAL_AFTER_A_WEIGHT)
        if any(step.set_header_route is not None for step in self.steps):
            raise ValueError(rules.GOAL_WITHOUT_COHORT)
        return self
