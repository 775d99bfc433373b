"""Pauses that end before a gating metric can be judged; the chart's admission policy warns of the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from serinus.api.canary import Pace, Step
from serinus.api.defaults import Policy
from serinus.api.judging import Mode
from serinus.core.analysis.words import shown_duration
from serinus.core.model.exposure import FULL_WEIGHT

TWO_SCRAPES_S: Final = 30.0
"""Two scrapes at 15 s, as usual: of a single one neither a burst nor a cold pod can be told from a fault."""
COLD_S: Final = 30.0
"""What latency leaves out of the first weight."""


def short_pauses(policy: Policy) -> Iterator[str]:
    """Say which weights are left before they can be judged, and what they would take."""
    canary, analysis = policy.strategy.canary, policy.analysis
    if canary.pace is Pace.EVIDENCE or analysis.mode is Mode.THRESHOLD:
        return
    latency = any(metric.is_latency and metric.gating is not False for metric in analysis.metrics)
    for number, (weight, pause_s) in enumerate(_pauses(policy)):
        needed = TWO_SCRAPES_S + (COLD_S if latency and number == 0 else 0.0)
        if weight < FULL_WEIGHT and pause_s < needed:
            cold = ", after the first 30 s of new pods, which do not count for latency"
            yield (
                f"The pause after setWeight {weight} is short: {shown_duration(pause_s)}. Two scrapes, 15 s apart as "
                f"usual, take {shown_duration(TWO_SCRAPES_S)}{cold if needed > TWO_SCRAPES_S else ''}: make it "
                f"{shown_duration(needed)} or longer, or the weight may rise on a single scrape."
            )


def _pauses(policy: Policy) -> list[tuple[int, float]]:
    """List the weights and how long each lasts; infinite where somebody ends it."""
    found: list[tuple[int, float]] = []
    for step in policy.strategy.canary.steps:
        if step.set_weight is not None:
            found.append((step.set_weight, 0.0))
        elif found:
            weight, so_far = found[-1]
            found[-1] = weight, so_far + _lasts(step)
    return found


def _lasts(step: Step) -> float:
    """How long a step stays (s); a goal is waited for as long as it takes."""
    if step.pause is not None:
        return float("inf") if step.pause.seconds is None else step.pause.seconds
    return float("inf") if step.await_goal is not None else 0.0
