"""Mixture over effect sizes and start times: one e-process that notices a regression whenever it begins.

Recursion of STATISTICS 3.1, the discrete form of the e-detectors of Shin, Ramdas and Rinaldo (2023): of the unit of
wealth a part pi_t is put on the alternatives at time t and the rest waits, so that the sum stays a martingale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.evidence import LOG_CEILING, LOG_FLOOR
from serinus.core.analysis.sequential.state import Bank, Bools, Floats, State, pack, take_rows, unpack

MASS_AT_START: Final = 0.3
MASS_OF_STAGES: Final = 0.3
MASS_OF_DOUBLINGS: Final = 0.15
MASS_OF_DAY: Final = 0.25
MINUTE_S: Final = 60.0
DAY_MINUTES: Final = 1440


class StartSchedule(Bank):
    """How much wealth starts to bet when: 0.3 at the start, 0.3 over the stages, 0.4 over the minutes.

    Stage k gets a part proportional to 1/((k+1)(k+2)), and so does the k-th doubling of time, evenly over its minutes:
    sums that end although the stages and the minutes need not, so that a late fault is not met with empty hands. Most
    of the minutes' part is spread evenly over the first day: most rollouts end in it.
    Minutes are those of the clock, so that the schedule does not depend on how scrapes are merged. Mass waits in
    `pending` until a block brings information: an empty interval then changes nothing, not even a rounding.
    """

    def __init__(self, size: int) -> None:
        self.used = np.zeros(size)
        self.pending = np.zeros(size)
        self.stages = np.zeros(size)
        self.first_minute: int | None = None
        self.minute = 0
        self._stack: list[StartSchedule] = []
        """Of a stack: the schedules that it consists of, for their minutes."""

    def stacks(self, banks: Sequence[StartSchedule]) -> None:
        """Keep the minutes of each."""
        self._stack = []
        for bank in banks:
            own = StartSchedule(0)
            own.first_minute, own.minute = bank.first_minute, bank.minute
            self._stack.append(own)

    def unstacks(self, whole: StartSchedule, place: int) -> None:
        """Take back the minutes."""
        self._stack = []
        self.first_minute, self.minute = whole._stack[place].first_minute, whole._stack[place].minute

    def advance(self, t: float | Floats, stage_started: Bools) -> None:
        """Release the mass that belongs to time `t` (seconds) and to the stages that begin there ([S]).

        Each of a stack has a time of its own, and none begins a stage.
        """
        if isinstance(t, np.ndarray):
            self._advance_stack(t)
            return
        minute = math.floor(t / MINUTE_S)
        if self.first_minute is None:
            self.first_minute = self.minute = minute
            self._release(np.full(self.used.shape, MASS_AT_START))
            return
        mass = _minutes_mass(self.minute - self.first_minute, minute - self.first_minute)
        self.minute = max(self.minute, minute)
        if mass > 0.0 or bool(stage_started.any()):
            self.stages += stage_started
            stage_mass = MASS_OF_STAGES * 2.0 * _part(self.stages)
            self._release(mass + np.where(stage_started, stage_mass, 0.0))

    def _advance_stack(self, t: Floats) -> None:
        rows = self.used.size // len(self._stack)
        mass = np.zeros(self.used.shape)
        for place, own in enumerate(self._stack):
            minute, mine = math.floor(t[place * rows] / MINUTE_S), slice(place * rows, (place + 1) * rows)
            if own.first_minute is None:
                own.first_minute = own.minute = minute
                mass[mine] = MASS_AT_START
            elif minute > own.minute:
                mass[mine] = _minutes_mass(own.minute - own.first_minute, minute - own.first_minute)
                own.minute = minute
        if bool(mass.any()):
            self._release(mass)

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

    def go_on_from(self, other: StartSchedule, rows: Mapping[int, int]) -> None:
        """Take over what another schedule has released of some rows, and its minutes; the other rows have seen them."""
        if self.first_minute is not None and other.minute > self.first_minute:
            self._release(np.full(self.used.shape, _minutes_mass(0, other.minute - self.first_minute)))
        take_rows(self, other, ("used", "pending", "stages"), rows)
        self.first_minute, self.minute = other.first_minute, other.minute

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "used": pack(self.used),
            "pending": pack(self.pending),
            "stages": pack(self.stages),
            "firstMinute": self.first_minute,
            "minute": self.minute,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.used = unpack(state["used"], self.used.shape)
        self.pending = unpack(state["pending"], self.pending.shape)
        self.stages = unpack(state["stages"], self.stages.shape)
        self.first_minute = state["firstMinute"]
        self.minute = int(state["minute"])


def _part(k: Any) -> Any:
    """1/((k+1)(k+2)): sums to 1 from k = 0 on, and to a half from k = 1 on."""
    return 1.0 / ((k + 1.0) * (k + 2.0))


def _minutes_mass(after: int, until: int) -> float:
    """Mass of the minutes `after` < j <= `until`; minutes 2^k to 2^(k+1) - 1 share the part of doubling k."""
    mass = MASS_OF_DAY * max(min(until, DAY_MINUTES) - min(after, DAY_MINUTES), 0) / DAY_MINUTES
    first = after + 1
    while first <= until:
        doubling = first.bit_length() - 1
        last = min(until, 2 ** (doubling + 1) - 1)
        mass += MASS_OF_DOUBLINGS * _part(doubling) * (last - first + 1) / 2.0**doubling
        first = last + 1
    return mass


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
