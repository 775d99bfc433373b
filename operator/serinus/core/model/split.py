"""The split: which revision gets how much of the traffic. Worked out once, then rendered for each provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FULL_WEIGHT: Final = 100


@dataclass(frozen=True)
class Split:
    """Whole percents by revision name, stable first; a revision that waits for its first weight is listed with 0."""

    weights: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        names = [name for name, _ in self.weights]
        if len(names) != len(set(names)) or len(names) > 2:
            raise ValueError(f"a split is between at most two revisions, each named once, not {names}")
        if any(isinstance(weight, bool) or not isinstance(weight, int) or weight < 0 for _, weight in self.weights):
            raise ValueError(f"weights are whole percents that are not negative: {self.weights}")
        if sum(weight for _, weight in self.weights) != FULL_WEIGHT:
            raise ValueError(f"weights sum to {FULL_WEIGHT}: {self.weights}")

    @classmethod
    def of(cls, stable: str | None, canary: str | None, weight: int) -> Split | None:
        """Give the canary its weight and stable the rest; None when no revision may serve.

        Without a stable revision the canary gets everything as soon as it may serve at all: nobody else could answer.
        """
        if not 0 <= weight <= FULL_WEIGHT:
            raise ValueError(f"the canary's weight is a whole percent, not {weight}")
        if stable is None:
            return cls(((canary, FULL_WEIGHT),)) if canary is not None and weight > 0 else None
        if canary is None or canary == stable:
            return cls(((stable, FULL_WEIGHT),))
        return cls(((stable, FULL_WEIGHT - weight), (canary, weight)))

    @property
    def revisions(self) -> tuple[str, ...]:
        """The revisions that it names, those of weight 0 too."""
        return tuple(name for name, _ in self.weights)

    def weight_of(self, revision: str | None) -> int:
        """Tell a revision's percent; 0 for one that it does not name."""
        return next((weight for name, weight in self.weights if name == revision), 0)
