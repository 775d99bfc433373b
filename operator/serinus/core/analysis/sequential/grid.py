"""Scrapes on one time grid: what is weighed is a stretch of time, however many scrapes it took to see it.

Each target is scraped at its own second, and thirty replicas of a gateway make thirty observations in the time of one.
Observations are summed over cells of equal length; a cell is weighed once, as soon as its end is seen.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.blocks import SHORTEST_BLOCK_S
from serinus.core.analysis.sequential.cleaning import MOST, clean_bins
from serinus.core.analysis.sequential.config import MetricConfig
from serinus.core.analysis.sequential.observations import parse_observation
from serinus.core.analysis.sequential.state import Floats, State, number

ARMS: Final = ("challenger", "champion", "champion_a", "champion_b")
LATE_CELLS: Final = 2
"""So many cells later a cell is weighed although no scrape has shown its end, or one of its arms."""
SLACK: Final = 0.1
"""Part of a cell by which its last scrape may miss the end: scrapes are never quite punctual."""


@dataclass(frozen=True, slots=True)
class GridCell:
    """A stretch of time that is over: when it ended (s), and one observation a metric that has any."""

    ended_s: float
    seen: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A scrape on the grid: the time (s) of the verdict that can be asked for, and the cell that ended with it.

    Its own time is not `believed` where it cannot be.
    """

    at: float
    cell: GridCell | None
    believed: bool


class TimeGrid:
    """Observations that wait for the end of their cell, by metric, and which cell that is.

    Cells begin at the first scrape of a stage: where there is one target, each scrape is the end of a cell.
    """

    def __init__(self, metrics: Sequence[MetricConfig], scrape_interval_s: float) -> None:
        self._metrics = {metric.name: metric for metric in metrics}
        self.cell_s = max(SHORTEST_BLOCK_S, scrape_interval_s)
        self._anchor_s: float | None = None
        self._cell = self._weighed = 0
        self._last_s = -math.inf
        self._pending: dict[str, list[Any]] = {}
        self._since_s: dict[str, float] = {}

    def lasting(self, seconds: float) -> None:
        """Make cells at least so long from the next on: scrapes come less often than was known."""
        if seconds > self.cell_s:
            self.cell_s, self._anchor_s, self._cell, self._weighed = seconds, None, 0, 0

    def go_on_from(self, other: TimeGrid, names: Container[str]) -> None:
        """Take over the cells of another grid, and what waits there of these metrics."""
        self._anchor_s, self._cell, self._weighed = other._anchor_s, other._cell, other._weighed
        self.cell_s, self._last_s = other.cell_s, other._last_s
        self._pending = {name: list(parts) for name, parts in other._pending.items() if name in names}
        self._since_s = {name: since for name, since in other._since_s.items() if name in names}

    def copied(self) -> TimeGrid:
        """Give another one in the same state."""
        twin = copy.copy(self)
        twin._pending = {name: list(parts) for name, parts in self._pending.items()}
        twin._since_s = dict(self._since_s)
        return twin

    def begin(self) -> None:
        """A new stage: no cell reaches over its start."""
        self._anchor_s, self._cell, self._weighed, self._last_s = None, 0, 0, -math.inf
        self._pending, self._since_s = {}, {}

    def waits(self, name: str) -> bool:
        """Whether something of both arms of a metric waits for the end of its cell."""
        parts = self._pending.get(name)
        return parts is not None and not _lacks_an_arm(self._metrics[name], parts)

    def passed(self, t: float) -> bool:
        """Whether a scrape at `t` (s) shows that the open cell is over, or no scrape will show it any more."""
        return bool(self._pending) and self._index(t) > self._cell

    def ends_by(self, t: float, now: float) -> bool:
        """Whether scrapes up to `t` (s) may end a cell, or a look at `now` (s) without one: none before that does."""
        if self._anchor_s is None:
            return True
        first = max(self._cell, self._weighed + 1)
        over = t > self._last_s and self._index(now) > first
        return t >= self._anchor_s + (first - SLACK) * self.cell_s or over or self.passed(now)

    def add(self, t: float, observations: Mapping[str, Any]) -> bool:
        """Take the observations of one scrape; True when it is the last of its cell."""
        if not observations:
            return False
        if self._anchor_s is None:
            self._anchor_s = t - self.cell_s
        self._cell = max(self._cell, self._index(t), self._weighed + 1)
        self._last_s = max(self._last_s, t)
        for name, observation in observations.items():
            self._pending.setdefault(name, []).append(observation)
            self._since_s.setdefault(name, t)
        return t >= self._anchor_s + (self._cell - SLACK) * self.cell_s

    def _index(self, t: float) -> int:
        anchor = t if self._anchor_s is None else self._anchor_s
        return math.ceil((t - anchor) / self.cell_s - SLACK)

    def take(self, t: float, *, compared: bool) -> tuple[float, dict[str, Any]]:
        """Hand over the cell: the time (s) of its last scrape, and one observation a metric.

        A metric of which only one arm has come is kept for a while: the other is scraped at another second.
        """
        whole, self._weighed = {}, self._cell
        for name, parts in list(self._pending.items()):
            late = t > self._since_s[name] + LATE_CELLS * self.cell_s
            if late or not compared or not _lacks_an_arm(self._metrics[name], parts):
                whole[name] = parts[0] if len(parts) == 1 else _merged(self._metrics[name], parts)
                del self._pending[name], self._since_s[name]
        return self._last_s, whole

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "cellSeconds": self.cell_s,
            "anchor": self._anchor_s,
            "cell": self._cell,
            "weighed": self._weighed,
            "last": self._last_s if math.isfinite(self._last_s) else None,
            "since": dict(self._since_s),
            "pending": {
                name: _rendered(self._metrics[name], _merged(self._metrics[name], parts))
                for name, parts in self._pending.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.cell_s, self._anchor_s, self._cell = float(state["cellSeconds"]), state["anchor"], int(state["cell"])
        self._weighed = int(state["weighed"])
        self._last_s = -math.inf if state["last"] is None else float(state["last"])
        self._since_s = dict(state["since"])
        self._pending = {
            name: [parse_observation(self._metrics[name].kind, stored)] for name, stored in state["pending"].items()
        }


def width(metric: MetricConfig) -> int:
    """How many counts an arm of one observation has."""
    if metric.kind == "share":
        return 2
    return metric.bins if metric.kind == "drift" else sum(map(math.isfinite, metric.bounds_s)) + 1


def _counts(metric: MetricConfig, observation: Any) -> Iterator[tuple[str, Any]]:
    for arm in ARMS:
        counts = clean_bins(getattr(observation, arm, None), width(metric))
        if counts is not None:
            yield arm, counts


def _merged(metric: MetricConfig, parts: Sequence[Any]) -> Any:
    """The sum of several scrapes, arm by arm; what is no count is left out."""
    sums: dict[str, Any] = {}
    for arm in ARMS:
        told = [counts for part in parts if (counts := getattr(part, arm, None)) is not None]
        if told and (summed := _sum_of(told, width(metric))) is not None:
            sums[arm] = summed
    if "champion" not in sums and {"champion_a", "champion_b"} <= sums.keys():
        sums["champion"] = sums["champion_a"] + sums["champion_b"]
    return parse_observation(metric.kind, sums)


def _sum_of(told: Sequence[Any], length: int) -> Floats | None:
    """Add up counts, [length] each; None where none of them is one."""
    try:
        counts = np.array(told, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        counts = np.array(math.nan)
    if counts.shape != (len(told), length) or not 0.0 <= float(counts.min()) <= float(counts.max()) <= MOST:
        clean = [one for one in (clean_bins(each, length) for each in told) if one is not None]
        if not clean:
            return None
        counts = np.array(clean)
    summed: Floats = counts.sum(axis=0)
    return summed


def _lacks_an_arm(metric: MetricConfig, parts: Sequence[Any]) -> bool:
    """Whether exactly one of the two arms is there."""
    own = any(part.challenger is not None for part in parts)
    other = any(getattr(part, arm, None) is not None for part in parts for arm in ARMS[1:])
    return metric.reference is None and own != other


def _rendered(metric: MetricConfig, observation: Any) -> State:
    return {arm: [number(float(one)) for one in np.asarray(counts)] for arm, counts in _counts(metric, observation)}
