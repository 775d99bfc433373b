"""What is known of the time in which stable had all requests to itself: what equal answers look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

LONGEST_PAST_S: Final = 86_400.0
SHORTEST_PAST_S: Final = 2400.0
"""Of a shorter one wander cannot be told from chance."""
FORGOTTEN_S: Final = 900.0
"""So much later what remembers for minutes has forgotten; the time of day has hardly moved."""


@dataclass(frozen=True)
class Past:
    """Stable's past: `seconds` of `version` in which it had requests, halves told apart by pod or not.

    `lessons` are what it taught of each stream's noise (`Lesson` or `Noise` of the sequential test), `learnt` whether
    it taught anything; `scant` names the streams of which there was too little, with their events. `outages` says by
    stream for how long (s) stable was over the limit at most. `problem` says why there is no past, or no more of it.
    """

    version: str
    seconds: float = 0.0
    by_pod: bool = False
    problem: str = ""
    learnt: bool = False
    scant: Mapping[str, float] = field(default_factory=dict)
    outages: Mapping[str, float] = field(default_factory=dict)
    lessons: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def joined_by(self, *numbers: tuple[str, float, Any]) -> Past:
        """Add what users' numbers have taught, as (metric, seconds, `Noise` of the sequential test)."""
        known = {name: noise for name, _, noise in numbers if noise.learnt}
        if not known:
            return self
        reach_s = max(seconds for name, seconds, _ in numbers if name in known)
        lessons = {**self.lessons, **known}
        return replace(self, seconds=max(self.seconds, reach_s), learnt=True, lessons=lessons)

    @property
    def too_short(self) -> bool:
        """Whether it is too short to tell noise from chance."""
        return self.seconds < SHORTEST_PAST_S
