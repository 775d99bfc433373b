"""What a revision is shown of the traffic: a share of all requests, the requests that match, copies of requests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from serinus.core.model.matches import Match

FULL_WEIGHT: Final = 100
"""Percent."""


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

    @property
    def by_weight_alone(self) -> bool:
        """Whether a share of all requests is all that there is to say."""
        return not self.matches and not self.mirror

    def exceeds(self, other: Exposure) -> bool:
        """Whether it shows the revision anything that the other does not; a weight is more than copies."""
        if self.weight > other.weight or other.is_full:
            return self.weight > other.weight
        new = not set(self.matches) <= set(other.matches)
        return new or (not other.serves and self.mirror > other.mirror)

    @property
    def load(self) -> int:
        """Percent of all requests that the revision must be able to answer, copies included."""
        return max(self.weight, self.mirror)

    def matching(self, matches: tuple[Match, ...]) -> Exposure:
        """The same with more matches; with the first one copies end."""
        together = tuple(dict.fromkeys((*self.matches, *matches)))
        return replace(self, matches=together, mirror=0) if together else self

    def mirroring(self, percent: int) -> Exposure:
        """Give copies, if it has fewer. Who answers somebody gets none: nobody's answers would be told apart."""
        return self if self.serves else replace(self, mirror=max(self.mirror, percent))

    def at_least(self, weight: int) -> Exposure:
        """Give a weight, if it has less. Who serves everybody needs no match, and with a first weight copies end."""
        if weight == FULL_WEIGHT:
            return EVERYTHING
        return replace(self, weight=max(self.weight, weight), mirror=0) if weight else self


def change(before: Exposure, after: Exposure) -> str:
    """Say what changes: the weight, where that is all that there is to say."""
    if (before.matches == after.matches and not after.mirror) or after.is_full:
        return f"weight {before.weight} to {after.weight}"
    return f"{before.text} to {after.text}"


NOTHING: Final = Exposure()
EVERYTHING: Final = Exposure(FULL_WEIGHT)
