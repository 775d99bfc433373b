"""The answer of `serinus simulate` in a sentence that an SRE can paste."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from serinus.core.analysis.words import shown_duration
from serinus.simulation.manifest.odds import Odds
from serinus.simulation.manifest.subject import Subject

FEWEST_RUNS: Final = 10
"""Of fewer rollouts nobody can tell what never happens."""


def sentence(subject: Subject, odds: Sequence[Odds]) -> str:
    """Say what becomes of a bad version and of an equal one; `odds` are the product's own, of one kind of noise."""
    bad = next(one for one in odds if one.scenario.harmful)
    good = next(one for one in odds if not one.scenario.harmful)
    rate = bad.scenario.requests_per_s
    first = subject.stages(0.0)[0].weight
    unit = "request" if rate == 1 else "requests"
    return (
        f"At {rate:g} {unit} a second and a first weight of {first} %, {_bad(bad)}; an equal version is {_good(good)}."
    )


def _bad(one: Odds) -> str:
    work = one.scenario
    version = f"a version with {percent(work.canary_rate)} errors instead of {percent(work.stable_rate)}"
    if one.reverted == 0:
        return f"{version} is never reverted ({_rest(one)})"
    share = one.reverted / one.runs
    text = f"{version} is reverted after a median of {_answers(one.wrong.median)} (95 %: {one.wrong.p95:.0f})"
    if share < 0.995:
        text = (
            f"{version} is reverted in {100 * share:.0f} % of rollouts and costs a median of "
            f"{_answers(one.wrong.median)} (95 %: {one.wrong.p95:.0f}; {_rest(one)})"
        )
    return text


def _answers(count: float) -> str:
    return f"{count:.0f} wrong answer{'' if round(count) == 1 else 's'}"


def _rest(one: Odds) -> str:
    parts = [(one.promoted, "promoted"), (one.held, "still held at the end")]
    return ", ".join(f"{100 * count / one.runs:.0f} % {what}" for count, what in parts if count) or "none promoted"


def _good(one: Odds) -> str:
    if one.full_s is None:
        return f"{_false_reverts(one)} and is not promoted within the simulated time"
    return f"{_false_reverts(one)} and reaches 100 % after {shown_duration(one.full_s.median)}"


def _false_reverts(one: Odds) -> str:
    if one.reverted == 0 and one.runs < FEWEST_RUNS:
        return (
            f"not reverted in {one.runs} rollout{'' if one.runs == 1 else 's'}, too few to tell how often it would be,"
        )
    if one.reverted == 0:
        return f"reverted in fewer than 1 of {one.one_in(0):.0f} rollouts"
    if one.reverted < 0.02 * one.runs:
        return f"reverted in 1 of {one.one_in(one.reverted):.0f} rollouts"
    return f"reverted in {100 * one.reverted / one.runs:.0f} % of rollouts"


def percent(share: float) -> str:
    """Write a share as people do: 0.1 %."""
    return f"{100 * share:.3g} %"
