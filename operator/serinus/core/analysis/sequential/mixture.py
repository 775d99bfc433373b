"""Mixture over effect sizes and start times: one e-process that notices a regression whenever it begins.

Recursion of STATISTICS 3.1, the discrete form of the e-detectors of Shin, Ramdas and Rinaldo (2023): of the unit of
wealth a part pi_t is put on the alternatives at time t and the rest waits, so that the sum stays a martingale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.evidence import LOG_CEILING, LOG_FLOOR
from serinus.core.analysis.sequential.state import Bools, Floats, State, pack, unpack

MASS_AT_START: Final = 0.3
MASS_AT_STAGE: Final = 0.1
MASS_OVER_MINUTES: Final = 0.118
"""Sum over j of 1 / (j ln(j+1)^2) is 3.39: all minutes together get 0.4."""
MINUTE_S: Final = 60.0


class StartSchedule:
    """How much wealth starts to bet when: 0.3 at the start, 0.1 a stage, the rest spread over the minutes.

    Minutes are those of the clock, so that the schedule does not depend on how scrapes are merged. Mass waits in
    `pending` until a block brings information: an empty interval then changes nothing, not even a rounding.
    """

    def __init__(self, size: int) -> None:
        self.used = np.zeros(size)
        self.pending = np.zeros(size)
        self.first_minute: int | None = None
        self.minute = 0

    def advance(self, t: float, stage_started: Bools) -> None:
        """Release the mass that belongs to time `t` (seconds) and to the stages that begin there ([S])."""
        minute = math.floor(t / MINUTE_S)
        if self.first_minute is None:
            self.first_minute = self.minute = minute
            self._release(np.full(self.used.shape, MASS_AT_START))
            return
        mass = sum(_minute_mass(j - self.first_minute) for j in range(self.minute + 1, minute + 1))
        self.minute = max(self.minute, minute)
        if mass > 0.0 or bool(stage_started.any()):
            self._release(mass + MASS_AT_STAGE * stage_started.astype(np.float64))

    def _release(self, mass: Floats) -> None:
        allowed = np.minimum(mass, 1.0 - self.used - self.pending)
        self.pending += np.maximum(allowed, 0.0)

    def take(self, rows: Any) -> Floats:
        """Mass that joins the bet of these rows now."""
        mass: Floats = self.pending[rows]
        self.used[rows] += mass
        self.pending[rows] = 0.0
        return mass

    @property
    def waiting(self) -> Floats:
        """Wealth that has not been put on any alternative yet, [S]."""
        return 1.0 - self.used

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "used": pack(self.used),
            "pending": pack(self.pending),
            "firstMinute": self.first_minute,
            "minute": self.minute,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.used = unpack(state["used"], self.used.shape)
        self.pending = unpack(state["pending"], self.pending.shape)
        self.first_minute = state["firstMinute"]
        self.minute = int(state["minute"])


def _minute_mass(j: int) -> float:
    return MASS_OVER_MINUTES / (j * math.log(j + 1) ** 2)


def empty_mixture(size: int, effects: int) -> Floats:
    """Log wealth on each alternative before anything was bet, [S, G]."""
    return np.full((size, effects), LOG_FLOOR)


def bet(log_wealth: Floats, mass: Floats, log_likelihood: Floats) -> Floats:
    """M <- (M + pi/G) L in logs; `log_wealth` and `log_likelihood` [S, G], `mass` [S]."""
    effects = log_wealth.shape[1]
    entering = np.log(np.maximum(mass / effects, 1e-300))[:, None]
    grown: Floats = np.clip(np.logaddexp(log_wealth, entering) + log_likelihood, LOG_FLOOR, LOG_CEILING)
    return grown


def wealth(log_wealth: Floats, waiting: Floats) -> Floats:
    """E = sum over the grid of M plus what still waits, [S]; finite by LOG_CEILING."""
    total: Floats = np.exp(log_wealth).sum(axis=1) + waiting
    return total
