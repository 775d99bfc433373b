"""Infers the weight of a past rollout from its traffic: nothing records the intended split."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from serinus.core.model.assessment import Stage
from serinus.simulation.manifest.subject import Subject

LATELY_S: Final = 60.0
ENOUGH: Final = 400.0
FEWEST: Final = 20.0
"""The split is read off the newest scrapes with `ENOUGH` requests, or off a minute with the `FEWEST`."""
RUNGS: Final = (1, 2, 5, 10, 25, 50, 75, 100)


@dataclass
class Share:
    """Requests of both revisions, lately and in all."""

    recent: deque[tuple[float, float, float]] = field(default_factory=deque)
    rung: int = 0
    total_canary: float = 0.0
    wrong: float = 0.0

    def take(self, at: float, canary: tuple[float, float], stable: tuple[float, float]) -> None:
        """Take in (requests, errors) of an interval; wrong answers are those beyond stable's own rate just then."""
        self.total_canary += canary[0]
        rate = stable[1] / stable[0] if stable[0] else 0.0
        self.wrong += canary[1] - canary[0] * rate
        self.recent.append((at, canary[0], stable[0]))
        while self.recent[0][0] <= at - LATELY_S:
            self.recent.popleft()

    def now(self) -> float | None:
        """Canary's share of the requests; None while there are too few."""
        own = other = 0.0
        for _, canary, stable in reversed(self.recent):
            own, other = own + canary, other + stable
            if own + other >= ENOUGH:
                break
        return own / (own + other) if own > 0.0 and own + other >= FEWEST else None

    def agreed(self, rung: int) -> bool:
        """Whether two looks in a row say so: while the split changes it passes rungs at which it never stood."""
        before, self.rung = self.rung, rung
        return before == rung


def stage_of(subject: Subject, share: Share, stage: Stage | None, fixed: int | None, started: float) -> Stage | None:
    """Give the stage that begins now, if one does: the split has reached another rung, upwards."""
    if fixed is not None:
        return Stage(fixed, 100, started) if stage is None else None
    seen = share.now()
    if seen is None:
        return None
    rungs = sorted({*RUNGS, *(each.weight for each in subject.stages(0.0))})
    weight = min(rungs, key=lambda rung: abs(_log_odds(rung / 100.0) - _log_odds(seen)))
    if not share.agreed(weight) or (stage is not None and weight <= stage.weight):
        return None
    return Stage(weight, next((rung for rung in rungs if rung > weight), 100), started)


def _log_odds(share: float) -> float:
    inside = min(max(share, 1e-3), 1.0 - 1e-3)
    return math.log(inside / (1.0 - inside))
