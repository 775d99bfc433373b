"""A policy replayed against recorded series: each past change of revision as if it had been a rollout.

Weights are inferred from the traffic, since the change need not have been made by Serinus. The verdicts are the
product's own: `assess`, look by look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from serinus.api.durations import seconds
from serinus.api.policy import OnBlind, Provider
from serinus.api.status import Verdict
from serinus.core.analysis.assess import assess
from serinus.core.analysis.threshold import blind_too_long
from serinus.core.model.answers import Series
from serinus.core.model.assessment import AnalysisState, Reason, Stage
from serinus.simulation.backtest.looks import Looks
from serinus.simulation.backtest.weights import Share, stage_of
from serinus.simulation.manifest.subject import Subject


@dataclass(frozen=True)
class Replayed:
    """What the policy would have said of one past rollout; times in unix seconds."""

    stable: str
    canary: str
    started: float
    ended: float
    looks: int
    requests: float
    wrong: float
    weights: tuple[int, ...]
    last: Verdict | None
    reason: str
    message: str
    reverted_at: float | None = None
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def reverted(self) -> bool:
        """Whether the weight would have been taken away."""
        return self.reverted_at is not None


Batches = Callable[[float, float], Iterable[tuple[Provider, Sequence[Series]]]]
"""The samples that were scraped after one time and until another, by provider."""


@dataclass(frozen=True)
class Trial:
    """One past rollout: between which two, and when. `weight` is fixed, or None: read off the traffic."""

    stable: str
    canary: str
    started: float
    ended: float
    weight: int | None = None


def replay(subject: Subject, trial: Trial, looks: Looks, batches: Batches) -> Replayed:
    """Judge a trial look by look, until it is reverted or over."""
    analysis, interval = subject.policy.analysis, subject.interval_s
    known, stage, share = AnalysisState(), None, Share()
    state = _Tale()
    looks_at = _times(trial.started, trial.ended, interval)
    _ingest(looks, batches, trial.started - interval, trial.started)
    for at in looks_at:
        _ingest(looks, batches, at - interval, at)
        share.take(at, *looks.requests(at - interval))
        fresh = stage_of(subject, share, stage, trial.weight, max(trial.started, at - 2 * interval))
        if fresh is not None:
            stage, known = fresh, known.for_new_stage()
            state.weights.append(stage.weight)
        if stage is None:
            continue
        look = looks.look(at, stage.started, _taken(known, stage))
        known, assessment = assess(look, known, stage, analysis, at, pace=subject.pace)
        state.see(assessment.verdict, assessment.reason, assessment.message)
        if assessment.verdict is Verdict.UNSAFE:
            return state.told(trial, share, at)
        if analysis.on_blind is OnBlind.REVERT and blind_too_long(known, analysis, at):
            state.reason = "BlindTimeout"
            return state.told(trial, share, at)
    return state.told(trial, share, None)


@dataclass
class _Tale:
    """What was seen on the way."""

    weights: list[int] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    verdict: Verdict | None = None
    reason: str = str(Reason.NO_TRAFFIC)
    message: str = "no request reached the new revision"

    def see(self, verdict: Verdict, reason: Reason, message: str) -> None:
        self.verdict, self.reason, self.message = verdict, str(reason), message
        self.reasons[str(reason)] += 1

    def told(self, trial: Trial, share: Share, reverted_at: float | None) -> Replayed:
        return Replayed(
            stable=trial.stable,
            canary=trial.canary,
            started=trial.started,
            ended=trial.ended,
            looks=self.reasons.total(),
            requests=share.total_canary,
            wrong=share.wrong,
            weights=tuple(self.weights),
            last=self.verdict,
            reason=self.reason,
            message=self.message,
            reverted_at=reverted_at,
            reasons=dict(self.reasons),
        )


def _times(started: float, ended: float, interval: float) -> Iterator[float]:
    number = 1
    while started + number * interval <= ended + 1e-6:
        yield started + number * interval
        number += 1


def _ingest(looks: Looks, batches: Batches, after: float, until: float) -> None:
    for provider, series in batches(after, until):
        looks.ingest(provider, series, until)


def _taken(known: AnalysisState, stage: Stage) -> float:
    """Up to which scrape the evidence reaches."""
    taken: float | None = getattr(known.gathered, "taken_until", None)
    return stage.started if taken is None else taken


def played_s(subject: Subject, promoted_after_s: float) -> float:
    """How long a rollout by this policy takes at least; an A/A trial is that long, ten minutes at least."""
    waits = sum(stage.wait_s for stage in subject.stages(promoted_after_s))
    dwell = seconds(subject.policy.analysis.min_dwell or "1m") * len(subject.stages(0.0))
    return max(waits, dwell, 600.0)
