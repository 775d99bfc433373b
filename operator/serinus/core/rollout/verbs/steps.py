"""Reads the steps of a strategy as verbs, and tells where they lead."""

from __future__ import annotations

from typing import Final

from serinus.api.canary import Step
from serinus.api.canary_scale import CanaryScale
from serinus.core.model.exposure import EVERYTHING, FULL_WEIGHT, Exposure
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.rollout.verbs.await_goal import AwaitGoalVerb
from serinus.core.rollout.verbs.pause import PauseVerb
from serinus.core.rollout.verbs.set_canary_scale import BY_WEIGHT, SetCanaryScaleVerb
from serinus.core.rollout.verbs.set_header_route import HeaderRouteVerb, read_header_route
from serinus.core.rollout.verbs.set_mirror_route import MirrorRouteVerb
from serinus.core.rollout.verbs.set_weight import SetWeightVerb
from serinus.core.rollout.verbs.verb import Verb

LAST: Final = SetWeightVerb(FULL_WEIGHT)
"""What follows the last step, and is all of a way back or of the very first rollout."""


def read_verb(step: Step) -> Verb:
    """Read one step; raises ValueError for one without a verb, which parsing has refused."""
    if step.set_weight is not None:
        return SetWeightVerb(step.set_weight)
    if step.pause is not None:
        return PauseVerb(step.pause)
    if step.set_header_route is not None:
        return read_header_route(step.set_header_route)
    if step.set_mirror_route is not None:
        return MirrorRouteVerb(step.set_mirror_route.percentage)
    if step.set_canary_scale is not None:
        return SetCanaryScaleVerb(step.set_canary_scale)
    if step.await_goal is not None:
        return AwaitGoalVerb(step.await_goal)
    raise ValueError("a step without a verb")


def verb_at(plan: RolloutPlan, step: int) -> Verb:
    """Give the verb at a step, counted from 0."""
    return LAST if plan.straight or step >= len(plan.steps) else read_verb(plan.steps[step])


def next_exposure(plan: RolloutPlan, state: RolloutState) -> Exposure:
    """Tell what the canary is shown next if all goes well: by the first step from this one on that shows it more."""
    coming = (verb_at(plan, step).shows(state.exposure) for step in range(state.step, len(plan.steps) + 1))
    return next((exposure for exposure in coming if exposure.exceeds(state.exposure)), EVERYTHING)


def scale_at(plan: RolloutPlan, step: int) -> CanaryScale:
    """Tell the scale in force at a step, counted from 0: that of the last setCanaryScale up to it."""
    begun = () if plan.straight else plan.steps[: step + 1]
    scales = (one.set_canary_scale for one in reversed(begun))
    return next((scale for scale in scales if scale is not None), BY_WEIGHT)


def is_preview(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether the canary is shown to testers alone, whom nobody waits for."""
    verbs = (read_verb(step) for step in plan.steps)
    testers = {match for verb in verbs if isinstance(verb, HeaderRouteVerb) and verb.preview for match in verb.matches}
    shown = state.exposure.matches
    return state.exposure.weight == 0 and bool(shown) and testers.issuperset(shown)


def rises_now(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether the very step that the rollout is at shows the canary more than it has."""
    return verb_at(plan, state.step).shows(state.exposure).exceeds(state.exposure)


def needs_pods(plan: RolloutPlan, state: RolloutState) -> bool:
    """Whether the very step that the rollout is at waits for pods: it is a rise, or it asks for pods of its own."""
    scale = verb_at(plan, state.step).scale
    return (scale is not None and scale.asks) or rises_now(plan, state)
