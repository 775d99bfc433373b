"""The walk (`core.rollout.walk`) for R rollouts at once: weights, pauses, the guard window, and the way back.

Pods are always ready and nobody pulls a lever but the one that ends a pause without a duration.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serinus.api.policy import Mode
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.guardrail import Guarded
from serinus.simulation.manifest.evidence import EvidenceRows, StageRows, WeighedRows
from serinus.simulation.manifest.guardrails import Guardrails
from serinus.simulation.manifest.subject import PlannedStage, Subject
from serinus.simulation.manifest.traffic import Sample


class Rollouts:
    """Where R rollouts stand."""

    def __init__(self, stages: Sequence[PlannedStage], runs: int) -> None:
        self.weights = np.array([float(stage.weight) for stage in stages])
        self.waits_s = np.array([stage.wait_s for stage in stages])
        self.at: npt.NDArray[np.int64] = np.zeros(runs, dtype=np.int64)
        self.started_s = np.zeros(runs)
        self.began: Bools = np.ones(runs, dtype=np.bool_)
        self.full_s = np.full(runs, np.inf)
        self.reverted_s = np.full(runs, np.inf)
        self.promoted_s = np.full(runs, np.inf)

    @property
    def live(self) -> Bools:
        """Rollouts that have not ended."""
        live: Bools = np.isinf(self.reverted_s) & np.isinf(self.promoted_s)
        return live

    @property
    def standing(self) -> StageRows:
        """Weights in per cent, and since when."""
        following = self.weights[np.minimum(self.at + 1, len(self.weights) - 1)]
        return StageRows(self.weights[self.at], following, self.started_s)

    def settle(self, t: float, *, unsafe: Bools, safe: Bools, held_in_guard: Bools) -> None:
        """Revert what is unsafe, end what has come through its guard window, raise what is safe and has waited."""
        live = self.live
        self.reverted_s[live & unsafe] = t
        waited = live & ~unsafe & (t - self.started_s >= self.waits_s[self.at] - 1e-9)
        last = self.at == len(self.weights) - 1
        self.promoted_s[waited & last & ~held_in_guard] = t
        rising = waited & ~last & safe
        self.at[rising] += 1
        self.started_s[rising] = t
        self.began = rising
        full = rising & (self.at == len(self.weights) - 1)
        self.full_s[full] = t
        self.promoted_s[full & (self.waits_s[self.at] == 0.0)] = t


@dataclass(frozen=True)
class Judged:
    """The verdict of one look, [R] each; `by_limit` tells a revert of the literal limit from one of the test."""

    unsafe: Bools
    safe: Bools
    held_in_guard: Bools
    by_limit: Bools


class Judges:
    """Guardrail and test together, as `core.analysis.assess` puts them together."""

    def __init__(self, subject: Subject, runs: int) -> None:
        analysis = subject.policy.analysis
        self.guardrails = Guardrails(analysis, runs, subject.interval_s)
        config = subject.monitor()
        compared = analysis.mode is Mode.SEQUENTIAL and bool(config.metrics)
        self.evidence = EvidenceRows(config, runs, subject.halved()) if compared else None

    def look(self, t: float, sample: Sample, standing: StageRows, began: Bools) -> Judged:
        """Judge one look."""
        guarded = self.guardrails.look(t, sample, standing.weight, began)
        if self.evidence is None:
            return Judged(guarded.unsafe, guarded.safe, guarded.failing, guarded.unsafe)
        return _together(guarded, self.evidence.observe(t, sample, standing, began))


def _together(guarded: Guarded, weighed: WeighedRows) -> Judged:
    return Judged(
        unsafe=guarded.unsafe | weighed.worse,
        safe=guarded.safe & weighed.safe,
        held_in_guard=guarded.failing | (guarded.safe & weighed.blind),
        by_limit=guarded.unsafe,
    )


@dataclass(frozen=True)
class Outcome:
    """What became of R rollouts: seconds to the revert, to 100 % and to success (inf: never), and what it cost, [R].

    `wrong` are wrong answers beyond those that the old version would have given, `served` the new version's answers
    until then.
    """

    reverted_s: Floats
    by_limit: Bools
    full_s: Floats
    promoted_s: Floats
    wrong: Floats
    served: Floats

    @property
    def runs(self) -> int:
        """R."""
        return int(self.reverted_s.size)


def joined(parts: Sequence[Outcome]) -> Outcome:
    """Put chunks together."""
    names = Outcome.__dataclass_fields__
    return Outcome(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
