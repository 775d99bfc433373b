"""Tells how many passes and looks there is time for where very many rollouts are live.

One process has no time to look at a thousand rollouts each second, nor to pass over them. Whoever is behind and goes on
as if it were not falls further behind: looks that are seconds old count as overdue, and what is overdue is looked at
more closely. So a round ends when the next is due, and who was not looked at comes first in that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serinus.runtime.rounds import Round

CALM_PASSES_A_SECOND: Final = 100.0
"""Passes over live rollouts whose looks change nothing: as long as there are no more of them, each look has one."""
CROWDED_SHARE: Final = 0.4
"""Where there are more, so large a part of these passes is made: what they write is for people, and waits for its turn
in the budget of all writes, which is less still."""


@dataclass
class Budget:
    """What is left for one round: passes that nothing asks for, None where each look has one, and time.

    In a crowd looks at what nothing is known to be wrong with are taken `until` (Unix seconds) the next round is due.
    """

    turns: int | None
    until: float

    @property
    def crowded(self) -> bool:
        return self.turns is not None

    def take_turns(self, wanted: int) -> int:
        """Take so many passes that nothing asks for; gives how many of them there are."""
        if self.turns is None:
            return wanted
        taken = min(wanted, self.turns)
        self.turns -= taken
        return taken


class Crowd:
    """For how long (s) a look of each crowded round may wait for its pass."""

    def __init__(self) -> None:
        self._waits: dict[Round, float] = {}

    def forget(self, together: Round) -> None:
        """Drop what is kept for a round."""
        self._waits.pop(together, None)

    def budget(self, together: Round, live: int, until: float) -> Budget:
        """Tell what there is for a round, of which the next one is due at a time (Unix seconds)."""
        interval, _ = together
        if live <= CALM_PASSES_A_SECOND * interval:
            self._waits.pop(together, None)
            return Budget(None, until)
        passes = CROWDED_SHARE * CALM_PASSES_A_SECOND
        self._waits[together] = live / max(passes, 1.0)
        return Budget(int(passes * interval), until)

    def turn_seconds(self, together: Round) -> float:
        """Tell for how long (s) a look that changes nothing may wait for its pass; 0 where each look has one."""
        return self._waits.get(together, 0.0)
