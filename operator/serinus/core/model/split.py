"""The split: which revision is shown how much of the traffic. Worked out once, then rendered for each provider."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from serinus.core.model.exposure import FULL_WEIGHT, NOTHING, Exposure
from serinus.core.model.matches import Match

_REVISION: Final = re.compile(".*-[0-9a-f]{10}")
"""No ModelDeployment's name ends like this; that of each of its revisions does."""


@dataclass(frozen=True)
class Split:
    """Whole percents by revision name, stable first; a revision that waits for its first weight is listed with 0.

    `matches` and `mirror` are the canary's, the second of two: requests that go to it whatever the weights say, and the
    percent of stable's requests that are copied to it. With a `fallback` no revision is shown anything: another
    ModelDeployment's Service of this name has all requests.
    """

    weights: tuple[tuple[str, int], ...]
    matches: tuple[Match, ...] = ()
    mirror: int = 0
    fallback: str | None = None

    def __post_init__(self) -> None:
        if self.fallback is not None:
            if self.weights or self.matches or self.mirror:
                raise ValueError(f"beside the fallback {self.fallback} no revision is shown anything")
            return
        names = [name for name, _ in self.weights]
        if len(names) != len(set(names)) or len(names) > 2:
            raise ValueError(f"a split is between at most two revisions, each named once, not {names}")
        if any(isinstance(weight, bool) or not isinstance(weight, int) or weight < 0 for _, weight in self.weights):
            raise ValueError(f"weights are whole percents that are not negative: {self.weights}")
        if sum(weight for _, weight in self.weights) != FULL_WEIGHT:
            raise ValueError(f"weights sum to {FULL_WEIGHT}: {self.weights}")
        if (self.matches or self.mirror) and len(names) < 2:
            raise ValueError(f"only a canary beside a stable revision is matched or mirrored to: {names}")

    @classmethod
    def to_fallback(cls, name: str) -> Self:
        """Send everything to another ModelDeployment."""
        return cls((), fallback=name)

    @classmethod
    def read(cls, destinations: tuple[tuple[str, int], ...], matches: tuple[Match, ...], mirror: int) -> Self:
        """Tell from the Services of a route whose they are; raises ValueError for what is no split."""
        (first, weight), *others = destinations
        if _REVISION.fullmatch(first) is None and not others and weight == FULL_WEIGHT and not matches and not mirror:
            return cls.to_fallback(first)
        return cls(destinations, matches, mirror)

    @classmethod
    def of(cls, stable: str | None, canary: str | None, exposure: Exposure) -> Split | None:
        """Show the canary what it is to be shown, and stable the rest; None when no revision may serve.

        Without a stable revision the canary gets everything as soon as it may serve at all: nobody else could answer.
        """
        if stable is None:
            return cls(((canary, FULL_WEIGHT),)) if canary is not None and exposure.serves else None
        if canary is None or canary == stable:
            return cls(((stable, FULL_WEIGHT),))
        weights = ((stable, FULL_WEIGHT - exposure.weight), (canary, exposure.weight))
        return cls(weights, exposure.matches, exposure.mirror)

    @property
    def destinations(self) -> tuple[tuple[str, int], ...]:
        """The Services that answer requests without a match, and their weights."""
        return self.weights if self.fallback is None else ((self.fallback, FULL_WEIGHT),)

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions that it names, those of weight 0 too."""
        return tuple(name for name, _ in self.weights)

    def exposure_of(self, revision: str | None) -> Exposure:
        """Tell what a revision is shown; nothing for one that it does not name."""
        if revision not in self.revisions:
            return NOTHING
        weight = next(weight for name, weight in self.weights if name == revision)
        second = self.revisions.index(revision) > 0
        return Exposure(weight, self.matches, self.mirror) if second else Exposure(weight)
