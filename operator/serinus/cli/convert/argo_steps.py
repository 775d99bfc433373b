"""From the steps of an Argo Rollout to ours: the verbs are the same, some of their values are not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from serinus.api.canary_scale import CanaryScale
from serinus.cli.convert.argo_analysis import add_analysis
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import duration, fitting
from serinus.cli.convert.matches import request_match
from serinus.cli.convert.metrics import MetricList
from serinus.cli.convert.original import Place
from serinus.cli.convert.steps import StepList
from serinus.core.model.kinds import Json

STEPS: Final[Place] = ("spec", "strategy", "canary", "steps")
UNKNOWN: Final = {
    "experiment": "no experiments beside a rollout; setMirrorRoute or setHeaderRoute shows the canary to a few",
    "plugin": "no plugins; pause: {} waits for whoever, or whatever, promotes",
}


def argo_steps(draft: Draft, metrics: MetricList) -> StepList:
    """Carry the steps over, one by one."""
    walk = StepList()
    for index in draft.original.items(*STEPS):
        place = (*STEPS, index)
        for verb in draft.original.keys(*place) or [""]:
            why = _step(draft, walk, metrics, (*place, verb))
            if why is not None:
                draft.lost((*place, verb) if verb else place, why)
    return walk


def _step(draft: Draft, walk: StepList, metrics: MetricList, place: Place) -> str | None:
    """Carry a step over; gives why not."""
    verb = str(place[-1])
    if verb == "analysis":
        if add_analysis(draft, metrics, place):
            draft.note("spec.analysis", "is judged all the time, and not at a step alone: no weight rises without it")
        return None
    return VERBS[verb](draft, walk, place) if verb in VERBS else UNKNOWN.get(verb, "no such step")


def _weight(draft: Draft, walk: StepList, place: Place) -> str | None:
    return walk.weight(draft.original.whole(*place) or 0)


def _pause(draft: Draft, walk: StepList, place: Place) -> str | None:
    draft.original.keys(*place)
    text = draft.original.text(*place, "duration")
    if text is None:
        draft.original.take(*place)
        return walk.pause(None)
    length = duration(text)
    return f"{text} is no duration above 0, such as 30s, 5m or 1h30m" if length is None else walk.pause(length)


def _scale(draft: Draft, walk: StepList, place: Place) -> str | None:
    wish = fitting(CanaryScale, draft.original.look(*place))
    if wish is None:
        return "needs exactly one of replicas and weight, both at least 1, and matchTrafficWeight: true"
    draft.original.take(*place)
    return walk.scale(wish)


def _cohort(draft: Draft, walk: StepList, place: Place) -> str | None:
    """Carry the matches over; a name alone ends a cohort in Argo Rollouts."""
    if draft.original.look(*place, "match") is None:
        return "a cohort stays until 100 %, or until the weight is taken away"
    draft.original.take(*place, "name")
    kept: list[Json] = []
    for index in draft.original.items(*place, "match"):
        one = (*place, "match", index)
        written = request_match(draft.original.look(*one))
        if written is None:
            draft.lost(
                one,
                "needs a header other than host, method, scheme or uri (write a cookie as cookieName), a regex in RE2",
            )
        else:
            draft.original.take_like(one, written)
            kept.append(written)
    return walk.cohort(kept)


def _copies(draft: Draft, walk: StepList, place: Place) -> str | None:
    """Carry the percentage over; a name alone ends the copies in Argo Rollouts."""
    percent, match = draft.original.look(*place, "percentage"), draft.original.look(*place, "match")
    if percent is None and match is None:
        return "copies end by themselves with the first cohort or weight"
    draft.original.take(*place, "name")
    if match is not None:
        draft.lost((*place, "match"), "copies are of all requests: percentage says of how many")
    return walk.copies(100 if percent is None else draft.original.whole(*place, "percentage") or 0)


VERBS: Final[Mapping[str, Callable[[Draft, StepList, Place], str | None]]] = {
    "setWeight": _weight,
    "pause": _pause,
    "setCanaryScale": _scale,
    "setHeaderRoute": _cohort,
    "setMirrorRoute": _copies,
}
"""The verbs that both have."""
