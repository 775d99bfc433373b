"""What a policy could be changed to, and what becomes of bad and equal versions then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.api.canary import Pace, Pause, Step
from serinus.api.durations import seconds
from serinus.api.judging import Mode
from serinus.core.analysis.words import shown_duration
from serinus.simulation.manifest.odds import Odds
from serinus.simulation.manifest.subject import Subject

LONGER: Final = 3
FIRST_WEIGHTS: Final = (10, 25)


@dataclass(frozen=True)
class Remedy:
    """One change of a policy: in words that go on a "with", and the policy that it makes."""

    words: str
    subject: Subject


@dataclass(frozen=True)
class Remedied:
    """What a change does: of the bad versions, and of the equal ones."""

    words: str
    bad: Odds
    good: Odds | None
    """Played only where the change helps."""


def remedies(subject: Subject) -> Iterator[Remedy]:
    """List the changes that are worth a try where bad versions get through."""
    canary = subject.policy.strategy.canary
    if subject.policy.analysis.mode is Mode.THRESHOLD:
        yield Remedy("mode: Sequential", subject.with_analysis(mode=Mode.SEQUENTIAL))
        return
    if subject.pace is Pace.TIMED:
        yield Remedy("pace: Evidence", subject.with_canary(canary.model_copy(update={"pace": Pace.EVIDENCE})))
        longer = tuple(_longer(step) for step in canary.steps)
        if longer != canary.steps:
            changed = canary.model_copy(update={"steps": longer})
            yield Remedy(f"pauses {LONGER} times as long", subject.with_canary(changed))
    weights = [step.set_weight for step in canary.steps if step.set_weight is not None]
    following = weights[1] if len(weights) > 1 else 100
    higher = next((one for one in FIRST_WEIGHTS if weights[0] < one < following), None)
    if higher is not None:
        steps = tuple(_reweighted(step, weights[0], higher) for step in canary.steps)
        changed = canary.model_copy(update={"steps": steps})
        yield Remedy(f"a first weight of {higher} %", subject.with_canary(changed))


def _reweighted(step: Step, before: int, after: int) -> Step:
    return step.model_copy(update={"set_weight": after}) if step.set_weight == before else step


def _longer(step: Step) -> Step:
    if step.pause is None or step.pause.duration is None:
        return step
    return Step(pause=Pause(duration=f"{LONGER * seconds(step.pause.duration):.0f}s"))


def is_helpful(changed: Odds, before: Odds) -> bool:
    """Whether at most half as many bad versions get through."""
    return 2 * changed.promoted / changed.runs <= before.promoted / before.runs


def told(remedied: Sequence[Remedied]) -> str:
    """Say what each change does, the best one first."""
    ordered = sorted(remedied, key=lambda one: one.bad.promoted)
    return ", ".join(f"{100 * one.bad.promoted / one.bad.runs:.0f} % with {one.words}{_price(one)}" for one in ordered)


def _price(one: Remedied) -> str:
    if one.good is None:
        return ""
    if one.good.full_s is None:
        return " (an equal version is not promoted either)"
    return f" (an equal version is at 100 % after {shown_duration(one.good.full_s.median)})"
