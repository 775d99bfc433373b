"""What our routes have begun to claim lately, as far as this process has seen it.

Of two ModelDeployments that claim one host at once, each is decided on before its decider has heard of the other's
route: they may even be two processes. Neither is wrong until then, so a claim can be given back while it is new.
"""

from __future__ import annotations

from typing import Final

from serinus.core.model.identity import Key
from serinus.core.traffic.claimants import Claim, claims_of
from serinus.core.traffic.hosts import ForeignRoute
from serinus.runtime.ports import Clock

NEW_SECONDS: Final = 30.0
"""Long enough for a watch to tell of the other route, also where its connection has to be made again."""


class FreshClaims:
    """Claims by route, and since when they are there."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since: dict[Key, dict[Claim, float]] = {}
        """What was noted last comes last."""

    def note(self, route: Key, before: ForeignRoute | None, now: ForeignRoute | None) -> None:
        """Take in what a route claims now, and did not claim before."""
        had = set(claims_of(before)) if before is not None else set()
        has = set(claims_of(now)) if now is not None else set()
        kept = {claim: at for claim, at in self._since.pop(route, {}).items() if claim in has and self._is_new(at)}
        since = kept | dict.fromkeys(has - had, self._clock.now())
        self._drop_old()
        if since:
            self._since[route] = since

    def holds(self, route: Key, claim: Claim) -> bool:
        """Tell whether a route has begun to claim this lately."""
        at = self._since.get(route, {}).get(claim)
        return at is not None and self._is_new(at)

    def forget(self, route: Key) -> None:
        """Drop what is known of a route."""
        self._since.pop(route, None)

    def _drop_old(self) -> None:
        """Keep nothing of the ten thousand claims that a start has found."""
        while self._since:
            oldest = next(iter(self._since))
            if any(map(self._is_new, self._since[oldest].values())):
                return
            del self._since[oldest]

    def _is_new(self, at: float) -> bool:
        return self._clock.now() - at < NEW_SECONDS
