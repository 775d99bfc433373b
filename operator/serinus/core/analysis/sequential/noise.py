"""How much a scalar series varies, and for how long it remembers: can two of its values be told apart at all?

A series that stood still, or that drifts in waves, has no scale by which a difference of its two arms could be called
large. Scale and memory are learnt from an A/A history where there is one, else from the rollout's own differences, and
only from those that came before the one that is judged.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.cleaning import clean_number
from serinus.core.analysis.sequential.state import Floats, State

HISTORY_BLOCKS: Final = 60
HISTORY_OF_ITS_OWN: Final = 20
DISTINCT: Final = 20
KEPT_BLOCKS: Final = 120
LEAST_OF_SIZE: Final = 0.01
"""Noise below one per cent of the values themselves is taken for that much."""
MEMORY_WITHOUT_HISTORY: Final = 3.0
LONGEST_MEMORY: Final = 12.0
UNBOUNDED: Final = 1e6


class Noise:
    """Scale `sigma` of a block's difference (None while unknown) and `memory`, its autocorrelation time in blocks."""

    def __init__(self) -> None:
        self.sigma: float | None = None
        self.memory = 1.0
        self.from_history = False
        self.by_traffic = False
        """Whether `sigma` is of arms that have all the traffic: the noise of a share of it is larger."""
        self.stands_still = False
        self._differences: list[float] = []
        self._sizes: list[float] = []

    def learn_history(self, differences: Any) -> None:
        """Take the A/A differences of champion's halves, [T]; too few, or too few that differ, teach nothing."""
        given = [clean_number(value) for value in np.asarray(differences, dtype=object).reshape(-1)]
        clean = np.array([value for value in given if value is not None])
        if clean.size >= HISTORY_BLOCKS and np.unique(clean).size >= DISTINCT:
            self.sigma, self.memory, self.from_history = robust_scale(clean), autocorrelation_time(clean), True

    def learn_alone(self, values: Any, apart: int) -> None:
        """Take champion's own values, a block each, [T], of when it had all requests to itself.

        Two arms of all the traffic would differ as a value does from one so many blocks later.
        """
        given = [clean_number(value) for value in values]
        clean = np.array([value for value in given if value is not None])
        differences = (clean[apart:] - clean[:-apart]) / math.sqrt(2.0)
        if differences.size < HISTORY_BLOCKS:
            return
        if np.unique(clean).size < DISTINCT:
            self.stands_still = True
            return
        self.sigma, self.memory = robust_scale(differences), autocorrelation_time(differences)
        self.from_history = self.by_traffic = True

    @property
    def learnt(self) -> bool:
        """Whether history has told how large the noise is, or that there is none."""
        return self.from_history or self.stands_still

    def go_on_as(self, other: Noise) -> None:
        """Take over what another one has learnt from history."""
        self.sigma, self.memory, self.from_history = other.sigma, other.memory, other.from_history
        self.by_traffic, self.stands_still = other.by_traffic, other.stands_still

    def take(self, difference: float, size: float) -> None:
        """Take one block's difference of the arms, and the larger of the two values; both in the test's units."""
        self._sizes = [*self._sizes[1 - KEPT_BLOCKS :], size]
        if not self.from_history:
            self._differences = [*self._differences[1 - KEPT_BLOCKS :], difference]
            self._learn(np.array(self._differences))
        least = LEAST_OF_SIZE * float(np.median(self._sizes))
        if self.sigma is not None:
            self.sigma = max(self.sigma, least)

    def _learn(self, differences: Floats) -> None:
        """A stretch without any noise says nothing about the noise: each value counts once. The scale only grows."""
        distinct = np.unique(differences)
        if distinct.size >= DISTINCT:
            self.sigma = max(self.sigma or 0.0, robust_scale(distinct))
            moving = differences[np.flatnonzero(differences != differences[0])[0] :]
            self.memory = max(MEMORY_WITHOUT_HISTORY, cautious_memory(moving), autocorrelation_time(moving))

    @property
    def settled(self) -> bool:
        """Whether enough blocks were seen to know the noise, or that there is none."""
        needed = 1 if self.stands_still else HISTORY_OF_ITS_OWN
        return self.sigma is not None or len(self._differences) >= needed

    def negligible(self, harm: float) -> bool:
        """Whether a mean difference in the test's units is no harm at all, by the size of the values alone."""
        return bool(self._sizes) and harm <= LEAST_OF_SIZE * float(np.median(self._sizes))

    @property
    def remembers_too_long(self) -> bool:
        """Whether a value says so little that is new that no rollout lasts long enough."""
        return self.memory > LONGEST_MEMORY

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "sigma": self.sigma,
            "memory": self.memory,
            "fromHistory": self.from_history,
            "byTraffic": self.by_traffic,
            "standsStill": self.stands_still,
            "differences": list(self._differences),
            "sizes": list(self._sizes),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.sigma, self.memory, self.from_history = state["sigma"], state["memory"], state["fromHistory"]
        self.by_traffic, self.stands_still = state.get("byTraffic", False), state.get("standsStill", False)
        self._differences, self._sizes = list(state["differences"]), list(state["sizes"])


def robust_scale(differences: Floats) -> float:
    """min(sd, 2 MAD), at least MAD: heavy tails inflate sd, ties deflate MAD; 1e-12 for a constant series."""
    deviation = float(np.median(np.abs(differences - np.median(differences))))
    spread = float(differences.std(ddof=1))
    scale = max(min(spread, 2.0 * deviation), deviation) if deviation > 0.0 else spread
    return max(scale, 1e-12)


def autocorrelation_time(differences: Floats) -> float:
    """Integrated autocorrelation time in blocks, at least 1, summed up to the first non-positive pair (Geyer 1992)."""
    centred = differences - differences.mean()
    power = float(centred @ centred)
    if power <= 0.0:
        return 1.0
    total = 1.0
    for lag in range(1, min(len(centred) // 3, 40)):
        correlation = float(centred[:-lag] @ centred[lag:]) / power
        if correlation <= 0.0:
            break
        total += 2.0 * correlation
    return max(total, 1.0)


def cautious_memory(differences: Floats) -> float:
    """Autocorrelation time, in blocks, of the AR(1) series that a short sample does not rule out.

    The lag-one correlation of n values is too low by (1 + 3 rho) / n (Kendall 1954), and known to
    sqrt((1 - rho^2) / n).
    """
    size, centred = differences.size, differences - differences.mean()
    power = float(centred @ centred)
    if power <= 0.0 or size < 4:
        return UNBOUNDED
    rho = float(centred[:-1] @ centred[1:]) / power
    upper = rho + (1.0 + 3.0 * rho) / size + math.sqrt(max(1.0 - rho**2, 0.0) / size)
    return UNBOUNDED if upper >= 1.0 else max((1.0 + upper) / (1.0 - upper), 1.0)
