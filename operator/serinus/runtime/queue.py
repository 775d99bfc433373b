"""The work queue: which ModelDeployment is handled next.

A key is queued only once, however often it is added, and is handled by one worker at a time; if it is added meanwhile,
it runs again afterwards. Keys with a live rollout go first: a revert must not wait behind ten thousand idle objects;
of these first of all whoever may have to be reverted: at a start there are hundreds, and each has a pass to be made.
No rank starves another: in an outage that all share, every live rollout is over a limit at every look, and whoever
aborts one by hand must not wait for its end. After a failure a key waits, whatever wakes it meanwhile: its own writes
may; what pressed before presses still when it comes again.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import Final, Generic, TypeVar

K = TypeVar("K")


class Rank(IntEnum):
    """Which keys go before which others."""

    ORDINARY = 0
    LIVE = 1
    PRESSING = 2


FIRST_BACKOFF: Final = 0.1
LONGEST_BACKOFF: Final = 10.0
LONGEST_URGENT_BACKOFF: Final = 2.0
"""Of a live rollout: when the API server is back, its weight must not wait for ten more seconds."""
REPLACED: Final = 64
"""Entries that a sooner one has replaced, besides as many as there are others; more are dropped before their time."""
ORDINARY_SHARE: Final = 16
"""One in so many is an ordinary key even while urgent ones wait: none may starve."""
LIVE_SHARE: Final = 4
"""One in so many is a live key that does not press, even while others press: an abort is one."""


class WorkQueue(Generic[K]):
    """Keys that are due, keys that become due, and keys that are being processed. `monotonic` is the clock."""

    def __init__(self, monotonic: Callable[[], float], *, is_urgent: Callable[[K], bool] = lambda key: False) -> None:
        self._monotonic = monotonic
        self._is_urgent = is_urgent
        self._lines: dict[Rank, deque[K]] = {rank: deque() for rank in Rank}
        self._due: dict[K, Rank] = {}
        self._processed: dict[K, Rank] = {}
        """What a worker has, and the rank at which it was taken."""
        self._again: set[K] = set()
        """What was added while it was processed."""
        self._pressing: set[K] = set()
        """What presses, from when that was said until a worker takes it."""
        self._later: list[tuple[float, int, K]] = []
        self._later_at: dict[K, float] = {}
        self._failures: dict[K, int] = {}
        self._not_before: dict[K, float] = {}
        self._pushed = 0
        self._taken = 0
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        """Give the number of keys that wait for a worker."""
        return len(self._due) + len(self._again)

    @property
    def urgent(self) -> int:
        """Give the number of urgent keys that wait for a worker."""
        return len(self._lines[Rank.LIVE]) + len(self._lines[Rank.PRESSING])

    @property
    def scheduled(self) -> int:
        """Give the number of keys that become due later."""
        return len(self._later_at)

    def known(self) -> set[K]:
        """Give the keys that are due, or become due some time."""
        return {*self._due, *self._later_at, *self._again}

    def add(self, key: K, *, pressing: bool = False) -> None:
        """Make a key due now, or as soon as its back-off is over; one that is urgent may be more pressing still."""
        if pressing:
            self._pressing.add(key)
        rest = self._not_before.get(key, 0.0) - self._monotonic()
        if rest > 0:
            self.add_after(key, rest)
            return
        self._later_at.pop(key, None)
        if key in self._processed:
            self._again.add(key)
            return
        rank = self._rank(key)
        if key in self._due and self._due[key] >= rank:
            return
        self._due[key] = rank
        self._lines[rank].append(key)
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Make a key due after a time; of several times the earliest counts, but none before its back-off is over."""
        at = max(self._monotonic() + seconds, self._not_before.get(key, 0.0))
        if key in self._due or at >= self._later_at.get(key, float("inf")):
            return
        self._later_at[key] = at
        self._pushed += 1
        heapq.heappush(self._later, (at, self._pushed, key))
        if len(self._later) > 2 * len(self._later_at) + REPLACED:
            self._later = [(at, number, key) for number, (key, at) in enumerate(self._later_at.items())]
            heapq.heapify(self._later)
        self._changed.set()

    def retry_after(self, key: K, seconds: float) -> None:
        """Make a key due after a time whose pass came to nothing: at the rank at which it was taken."""
        if self._processed.get(key) is Rank.PRESSING:
            self._pressing.add(key)
        self.add_after(key, seconds)

    async def get(self) -> K:
        """Wait for a key that is due and take it; `done` must follow."""
        while True:
            key = self.take()
            if key is not None:
                return key
            self._changed.clear()
            try:
                async with asyncio.timeout(self.due_in()):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def take(self) -> K | None:
        """Take a key that is due; None when there is none."""
        self._promote()
        self._taken += 1
        for rank in self._turn():
            line = self._lines[rank]
            while line:
                key = line.popleft()
                if self._due.get(key) is rank:
                    del self._due[key]
                    self._processed[key] = rank
                    self._pressing.discard(key)
                    return key
        return None

    def _turn(self) -> tuple[Rank, ...]:
        """Tell in which order the lines are looked at this time: each has a share that the others cannot take."""
        if self._taken % ORDINARY_SHARE == 0:
            return Rank.ORDINARY, Rank.LIVE, Rank.PRESSING
        if self._taken % LIVE_SHARE == 0:
            return Rank.LIVE, Rank.PRESSING, Rank.ORDINARY
        return Rank.PRESSING, Rank.LIVE, Rank.ORDINARY

    def due_in(self) -> float | None:
        """Give the seconds until the next key becomes due; None when none is scheduled."""
        return max(0.0, self._later[0][0] - self._monotonic()) if self._later else None

    def done(self, key: K, *, backoff: bool) -> None:
        """Give a key back; after a failure it comes again by itself, each time later."""
        if backoff:
            self._back_off(key)
        else:
            self._failures.pop(key, None)
            self._not_before.pop(key, None)
        self._processed.pop(key, None)
        again = key in self._again
        self._again.discard(key)
        if again and not backoff:
            self.add(key)

    def forget(self, key: K) -> None:
        """Drop what is remembered of a key that exists no more."""
        for remembered in (self._later_at, self._failures, self._not_before):
            remembered.pop(key, None)
        self._again.discard(key)
        self._pressing.discard(key)

    def _rank(self, key: K) -> Rank:
        if not self._is_urgent(key):
            return Rank.ORDINARY
        return Rank.PRESSING if key in self._pressing else Rank.LIVE

    def _back_off(self, key: K) -> None:
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest = LONGEST_URGENT_BACKOFF if self._is_urgent(key) else LONGEST_BACKOFF
        wait = min(longest, FIRST_BACKOFF * 2 ** min(failures, 16))
        self._not_before[key] = self._monotonic() + wait
        self._later_at.pop(key, None)
        self.retry_after(key, wait)

    def _promote(self) -> None:
        """Make due whose time has come; entries that a sooner one has replaced are dropped here."""
        now = self._monotonic()
        while self._later and self._later[0][0] <= now:
            at, _, key = heapq.heappop(self._later)
            if self._later_at.get(key) == at:
                del self._later_at[key]
                self.add(key)
