"""What a revision is shown of the traffic: a share of all requests, the requests that match, copies of requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FULL_WEIGHT: Final = 100
"""Percent."""


class Part(StrEnum):
    """Which part of a request a match looks at."""

    HEADER = "Header"
    COOKIE = "Cookie"


class By(StrEnum):
    """How a match compares; a regex must match the whole value."""

    EXACT = "exact"
    PREFIX = "prefix"
    REGEX = "regex"


@dataclass(frozen=True, order=True)
class Match:
    """One header, or one cookie, that brings a request to the revision."""

    part: Part
    name: str
    by: By
    value: str

    @property
    def text(self) -> str:
        """How people read it: x-tier=premium, x-user=dev-* or cookie tier~a|b."""
        compared = {By.EXACT: f"={self.value}", By.PREFIX: f"={self.value}*", By.REGEX: f"~{self.value}"}
        return f"{'cookie ' if self.part is Part.COOKIE else ''}{self.name}{compared[self.by]}"


@dataclass(frozen=True)
class Exposure:
    """What a revision is shown. `weight` is in percent of the requests that match nothing; any one of `matches` is
    enough; `mirror` is the percent of stable's requests of which it gets a copy, whose answers nobody sees.

    Raises ValueError for what is no whole percent.
    """

    weight: int = 0
    matches: tuple[Match, ...] = ()
    mirror: int = 0

    def __post_init__(self) -> None:
        for percent in (self.weight, self.mirror):
            if isinstance(percent, bool) or not isinstance(percent, int) or not 0 <= percent <= FULL_WEIGHT:
                raise ValueError(f"an exposure is in whole percents, not {percent!r}")

    @property
    def is_nothing(self) -> bool:
        """Whether the revision sees no request at all, and no copy of one."""
        return self == NOTHING

    @property
    def serves(self) -> bool:
        """Whether anybody gets its answers."""
        return self.weight > 0 or bool(self.matches)

    @property
    def is_full(self) -> bool:
        """Whether it serves everybody."""
        return self.weight == FULL_WEIGHT

    @property
    def text(self) -> str:
        """How people read it: 5%, or x-tier=premium, or 5%, x-tier=premium, mirror 20%."""
        beside = (*(match.text for match in self.matches), *((f"mirror {self.mirror}%",) if self.mirror else ()))
        return ", ".join((*((f"{self.weight}%",) if self.weight or not beside else ()), *beside))

    def exceeds(self, other: Exposure) -> bool:
        """Whether it shows the revision anything that the other does not."""
        return self.weight > other.weight or self.mirror > other.mirror or bool(set(self.matches) - set(other.matches))

    def at(self, weight: int) -> Exposure:
        """The same with another weight."""
        return replace(self, weight=weight)


NOTHING: Final = Exposure()
EVERYTHING: Final = Exposure(FULL_WEIGHT)
