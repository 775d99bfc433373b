"""Which metrics look worse on the challenger, and how long each of them may hold the weight."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from serinus.core.analysis.sequential.config import MetricConfig
from serinus.core.analysis.sequential.deciding import nats_needed
from serinus.core.analysis.sequential.patience import LOOKS_WORSE, SharpHold
from serinus.core.analysis.sequential.share_bank import ERROR_EFFECTS
from serinus.core.analysis.sequential.state import Floats, State


@dataclass(frozen=True, slots=True)
class Doubt:
    """A sharp test that holds the weight: its odds to one, and how many seconds more it may."""

    metric: str
    odds: float
    left_s: float


class Compared(Protocol):
    """A group of metrics that has a sharp test beside the robust one."""

    metrics: list[MetricConfig]

    def odds(self) -> Floats: ...

    def decides_in_s(self, lasted_s: float, nats: Floats) -> Floats: ...


class Doubts:
    """The sharp tests of all groups of a rollout; `weights` are those of the metrics in the evidence."""

    def __init__(self, groups: Sequence[Compared], alpha: float, weights: Mapping[str, float]) -> None:
        self._groups = [group for group in groups if group.metrics]
        self._odds: Floats | None = None
        """What the groups say since they took their last cell, once they were asked."""
        self._metrics = [metric for group in self._groups for metric in group.metrics]
        effects = len(ERROR_EFFECTS)
        self._nats = {m.name: nats_needed(alpha, weights.get(m.name, 1.0), effects) for m in self._metrics}
        self._hold = SharpHold(len(self._metrics))
        self._in_doubt = False

    def copied(self) -> Doubts:
        """Give another one in the same state, over the same groups."""
        twin = copy.copy(self)
        twin._hold = self._hold.copied()
        return twin

    def ask(self, groups: Sequence[Compared]) -> None:
        """Ask these groups from the next look on: they are copies, or take a cell now."""
        self._groups = [group for group in groups if group.metrics]
        self._odds = None

    def start_stage(self) -> None:
        """Begin anew: at another weight the robust test gets another time."""
        self._hold.start_stage()

    def look(self, t: float, lasted_s: float) -> None:
        """Hold or let go at time `t` (s), `lasted_s` into the stage."""
        if not self._metrics:
            return
        if self._odds is None:
            self._odds = np.concatenate([group.odds() for group in self._groups])
            self._in_doubt = bool((self._odds >= LOOKS_WORSE).any())
        elif not self._in_doubt:
            # Nothing is held, and nothing was at the last look, which has found the same.
            self._hold.look(t)
            return
        decides_in_s = self._decides_in_s(lasted_s) if self._in_doubt else np.zeros(self._odds.shape)
        self._hold.update(t, self._odds, decides_in_s)

    def _decides_in_s(self, lasted_s: float) -> Floats:
        nats = [np.array([self._nats[metric.name] for metric in group.metrics]) for group in self._groups]
        pairs = zip(self._groups, nats, strict=True)
        return np.concatenate([group.decides_in_s(lasted_s, needed) for group, needed in pairs])

    def found(self, t: float) -> tuple[Doubt, ...]:
        """The gating metrics that hold the weight now."""
        if self._odds is not None and not self._in_doubt:
            return ()
        rows = zip(self._metrics, self._hold.odds.tolist(), self._hold.left_s(t).tolist(), strict=True)
        return tuple(Doubt(m.name, odds, left_s) for m, odds, left_s in rows if m.gating and left_s > 0.0)

    def go_on_from(self, other: Doubts) -> None:
        """Take over what is known of the metrics that both have."""
        places = {metric: row for row, metric in enumerate(self._metrics)}
        rows = {row: places[metric] for row, metric in enumerate(other._metrics) if metric in places}
        self._hold.go_on_from(other._hold, rows)

    def to_dict(self) -> State:
        """State as JSON values."""
        return self._hold.to_dict()

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take over a stored state."""
        self._hold.restore(state)
