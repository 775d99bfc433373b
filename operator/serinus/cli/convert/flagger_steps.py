"""From a Canary's analysis to steps: its weights, its A/B iterations, its copies, its blue-green switch."""

from __future__ import annotations

import re
from itertools import takewhile
from math import ceil
from typing import Final

from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import duration, times
from serinus.cli.convert.matches import request_match
from serinus.cli.convert.original import Place
from serinus.cli.convert.steps import MOST_STEPS, StepList
from serinus.core.model.kinds import Json

DEFAULT_INTERVAL: Final = "1m"
MOST_WEIGHTS: Final = MOST_STEPS // 2 - 1
"""Each has a pause, and copies may come first."""
COOKIE: Final = re.compile(r"\^\(\.\*\??;\)\?\(([^=()]+)=([A-Za-z0-9_-]+)\)\(;\.\*\)\?\$")
"""How Flagger's pages match a cookie within the whole header."""


def flagger_strategy(draft: Draft, analysis: Place) -> None:
    """Write the strategy."""
    interval = _interval(draft, (*analysis, "interval"))
    iterations = draft.original.whole(*analysis, "iterations") or 0
    walk = StepList()
    length = times(interval, max(iterations, 1))
    _copy(draft, analysis, walk, length)
    if iterations and draft.original.look(*analysis, "match") is not None:
        _cohort(draft, analysis, walk, length)
    elif iterations and not walk.steps:
        _switch(draft, length)
        return
    elif not iterations:
        _weights(draft, analysis, walk, interval)
    strategy = walk.strategy()
    if strategy is None:
        draft.note("spec.strategy", "left out, so the default: 5, 25 and 50 % for a minute each")
    else:
        draft.spec["strategy"] = strategy


def _interval(draft: Draft, place: Place) -> str:
    """Read how often Flagger looks, and raises."""
    text = draft.original.text(*place)
    read = duration(text)
    if text is not None and read is None:
        draft.lost(place, f"{text} is no duration above 0, such as 30s or 1m; {DEFAULT_INTERVAL} is Flagger's default")
    return read or DEFAULT_INTERVAL


def _copy(draft: Draft, analysis: Place, walk: StepList, length: str | None) -> None:
    """Copies come first in Flagger, too: for one interval, or for all iterations."""
    if draft.original.take(*analysis, "mirror") is not True:
        return
    percent = draft.original.whole(*analysis, "mirrorWeight")
    refused = walk.copies(100 if percent is None else percent) or walk.pause(length)
    if refused is not None:
        draft.lost((*analysis, "mirror"), refused)


def _switch(draft: Draft, length: str | None) -> None:
    """Iterations without a match are Flagger's blue-green."""
    draft.spec["strategy"] = {"blueGreen": {"autoPromotionAfter": length or DEFAULT_INTERVAL}}
    draft.note(
        "spec.strategy.blueGreen",
        "nobody sees the new version before the switch, and nothing can be judged until then: add preview or mirror",
    )


def _cohort(draft: Draft, analysis: Place, walk: StepList, length: str | None) -> None:
    """Carry A/B matches over: a header or a cookie each."""
    kept: list[Json] = []
    for index in draft.original.items(*analysis, "match"):
        place = (*analysis, "match", index)
        names = draft.original.keys(*place, "headers")
        match = _match(draft, (*place, "headers", names[0])) if len(names) == 1 else None
        if match is None:
            draft.lost(place, "needs one header, or one cookie, that is exact, prefix or regex: write it in match")
            continue
        draft.original.take(*place, "headers")
        kept.append(match)
    refused = walk.cohort(kept) or walk.pause(length)
    if refused is not None:
        draft.lost((*analysis, "match"), refused)


def _match(draft: Draft, place: Place) -> Json | None:
    name, value = str(place[-1]), draft.original.look(*place)
    if name.lower() != "cookie":
        return request_match({"headerName": name, "headerValue": value})
    found = COOKIE.fullmatch(str(value.get("regex"))) if isinstance(value, dict) else None
    if found is None:
        return None
    return request_match({"cookieName": found[1], "cookieValue": {"exact": found[2]}})


def _weights(draft: Draft, analysis: Place, walk: StepList, interval: str) -> None:
    """Raise the weight once an interval, as Flagger does while its checks succeed."""
    every = _weights_of(draft, analysis)
    group = max(1, ceil(len(every) / MOST_WEIGHTS))
    chosen = every[::group]
    for weight in chosen:
        refused = walk.weight(weight) or walk.pause(times(interval, group))
        if refused is not None:
            draft.note("spec.strategy.canary.steps", f"weight {weight} is left out: {refused}")
    if chosen:
        draft.note(
            "spec.strategy.canary.steps",
            f"Flagger checks and raises once an interval ({interval}): each weight has a pause of that length, in which"
            " metrics are read every 5s (spec.analysis.interval)",
        )
    if group > 1:
        draft.note(
            "spec.strategy.canary.steps", f"one of {group} weights, each for {group} intervals: 50 steps at most"
        )


def _weights_of(draft: Draft, analysis: Place) -> list[int]:
    """List the weights: those that are named, or one every stepWeight up to maxWeight."""
    original = draft.original
    indices = original.items(*analysis, "stepWeights")
    if indices:
        named = [original.whole(*analysis, "stepWeights", index) or 0 for index in indices]
        original.take(*analysis, "maxWeight")
        return list(takewhile(lambda weight: weight <= 100, named))
    most = original.whole(*analysis, "maxWeight")
    step = original.whole(*analysis, "stepWeight")
    most = 100 if most is None else min(most, 100)
    if step is None or step < 1 or most < 1:
        return []
    return sorted({*range(step, most, step), most}) if step <= most else [most]
