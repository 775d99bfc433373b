"""What is known of the time in which stable had all requests to itself: what equal answers look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST_PAST_S: Final = 86_400.0
SHORTEST_PAST_S: Final = 2400.0
"""Of a shorter one wander cannot be told from chance."""


@dataclass(frozen=True)
class Past:
    """Stable's past: `seconds` of `version` in which it had requests, halves told apart by pod or not.

    `lessons` are what it taught of each stream's noise (`Lesson` of the sequential test), `learnt` whether it taught
    anything; `scant` names the streams of which there was too little, with their events. `outages` says by stream for
    how long (s) stable was over the limit at most. `problem` says why there is no past, or no more of it.
    """

    version: str
    seconds: float = 0.0
    by_pod: bool = False
    problem: str = ""
    learnt: bool = False
    scant: Mapping[str, float] = field(default_factory=dict)
    outages: Mapping[str, float] = field(default_factory=dict)
    lessons: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def too_short(self) -> bool:
        """Whether it is too short to tell noise from chance."""
        return self.seconds < SHORTEST_PAST_S
