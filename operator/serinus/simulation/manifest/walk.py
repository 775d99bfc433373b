"""Where the rollouts of another tool's rule stand, and what became of those of any rule."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.manifest.subject import PlannedStage


class Rollouts:
    """R rollouts whose weight rises when a stage has lasted long enough, whatever is known."""

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
    def weight(self) -> Floats:
        """The canaries' weights now, in per cent."""
        weight: Floats = self.weights[self.at]
        return weight

    def settle(self, t: float, fires: Bools) -> None:
        """Revert where the rule fires, and raise what has waited."""
        live = self.live
        self.reverted_s[live & fires] = t
        waited = live & ~fires & (t - self.started_s >= self.waits_s[self.at] - 1e-9)
        last = self.at == len(self.weights) - 1
        self.promoted_s[waited & last] = t
        rising = waited & ~last
        self.at[rising] += 1
        self.started_s[rising] = t
        self.began = rising
        full = rising & (self.at == len(self.weights) - 1)
        self.full_s[full] = t
        self.promoted_s[full & (self.waits_s[self.at] == 0.0)] = t


@dataclass(frozen=True)
class Outcome:
    """What became of R rollouts: seconds to the revert, to 100 % and to success (inf: never), and what it cost, [R].

    `wrong` are wrong answers beyond those that the old version would have given, `served` the new version's answers
    until then. `metric` is what reverted it, empty where nothing did; `by_limit` says that a fixed limit did.
    """

    reverted_s: Floats
    by_limit: Bools
    full_s: Floats
    promoted_s: Floats
    wrong: Floats
    served: Floats
    metric: npt.NDArray[np.str_]

    @property
    def runs(self) -> int:
        """R."""
        return int(self.reverted_s.size)


def joined(parts: Sequence[Outcome]) -> Outcome:
    """Put chunks together."""
    names = Outcome.__dataclass_fields__
    return Outcome(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
