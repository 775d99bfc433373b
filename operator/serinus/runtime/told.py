"""Remembers the last look at each rollout that a pass was told of, and in which stage that was."""

from __future__ import annotations

from serinus.core.model.assessment import Look
from serinus.core.model.identity import Key
from serinus.core.model.past import Past
from serinus.core.model.values import revised
from serinus.runtime.watch import Watch


class Told:
    """What the passes know; what a look was added to is not kept for that."""

    def __init__(self) -> None:
        self._told: dict[Key, tuple[float | None, Look]] = {}

    def tell(self, watch: Watch, look: Look) -> None:
        """Note that a pass takes in a look."""
        self._told[watch.key] = watch.since, revised(look, weighed=None)

    def forget(self, key: Key) -> None:
        """Drop what is kept for a rollout."""
        self._told.pop(key, None)

    def at(self, key: Key) -> float:
        """Tell when a look was told last; 0 before the first."""
        told = self._told.get(key)
        return told[1].at if told is not None else 0.0

    def past(self, key: Key) -> Past | None:
        """Give the past of stable that came with it."""
        told = self._told.get(key)
        return told[1].past if told is not None else None

    def repeated_by(self, watch: Watch, look: Look) -> bool:
        """Whether no pass is worth a look's while; it is there for whoever looks next."""
        since, told = self._told.get(watch.key, (None, None))
        return told is not None and watch.calm and since == watch.since and look.repeats(told)

    def goes_on(self, watch: Watch) -> bool:
        """Whether all was well at the last pass, and it is in the same stage."""
        told = self._told.get(watch.key)
        return told is not None and watch.calm and told[0] == watch.since
