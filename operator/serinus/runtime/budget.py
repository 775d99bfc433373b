"""Limits status writes that only refresh numbers: every ten seconds, within a budget that all rollouts share.

Writes that a restart or a decision needs are made at once and do not count.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

REFRESH_SECONDS = 10.0
CHECKPOINT_SECONDS = 60.0
LONGEST_SECONDS = 2 * CHECKPOINT_SECONDS
"""Evidence, and the words of the copy for people, wait no longer for the budget than this."""
WRITES_A_SECOND = 20
EARLY_SECONDS = 0.5
"""A pass that comes this little before its turn does not wait for the next one."""


@dataclass(frozen=True)
class WriteTurn:
    """When a rollout's evidence was last written out, and from when on its numbers may be written again."""

    checkpoint_at: float
    numbers_from: float

    def checkpoint_due(self, now: float) -> bool:
        """Whether the next write takes the evidence along."""
        return now - self.checkpoint_at >= CHECKPOINT_SECONDS - EARLY_SECONDS

    def overdue(self, now: float) -> bool:
        """Whether the evidence is written out whatever the budget says."""
        return now - self.checkpoint_at >= LONGEST_SECONDS

    def checkpointed(self, now: float) -> WriteTurn:
        return replace(self, checkpoint_at=now)


class WriteBudget:
    """Counts the last second's writes and gives every rollout its turn, so that none starves."""

    def __init__(self) -> None:
        self._spent: deque[float] = deque(maxlen=WRITES_A_SECOND)
        self._free_from = 0.0

    def take(self, now: float) -> bool:
        """Spend a write if this second has one left."""
        if len(self._spent) == WRITES_A_SECOND and now - self._spent[0] < 1.0:
            return False
        self._spent.append(now)
        return True

    def first_turn(self, now: float) -> WriteTurn:
        """Book for a rollout that this process has not written yet; what is stored is as good as a checkpoint."""
        return self.next_turn(WriteTurn(now, now), now)

    def next_turn(self, turn: WriteTurn, now: float) -> WriteTurn:
        """Book the next time at which its numbers are written: in ten seconds, later when many are live."""
        at = max(now + REFRESH_SECONDS - EARLY_SECONDS, self._free_from)
        self._free_from = at + 1 / WRITES_A_SECOND
        return replace(turn, numbers_from=at)
