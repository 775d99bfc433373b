"""What routes of ModelDeployments have begun to claim lately, and when: of two that begin at once one gives way.

Each is decided on before its decider has heard of the other's route: they may even be two processes. Every replica
notes the claims of all of them, whoever decides them, and goes by what is stored where that tells it: a route that is
new to us claims what it does since it was created. So it makes no difference who asks, nor whether it was there then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from serinus.core.model.identity import Key
from serinus.core.traffic.claimants import Claim, claims_of
from serinus.core.traffic.hosts import ForeignRoute
from serinus.runtime.ports import Clock

AT_ONCE_SECONDS: Final = 120.0
"""Two claims are begun at once if that of the older route is heard of so soon: a watch that hangs is dead after 100."""
KEPT_SECONDS: Final = 600.0
"""Whatever has been claimed for longer is never given back."""


@dataclass(frozen=True)
class _Begun:
    """Since when a route claims what it does, where that is not long ago, and since when by these paths."""

    since: dict[Claim, float]
    moved: float

    def last(self) -> float:
        return max((self.moved, *self.since.values()))


class FreshClaims:
    """Claims by route, and since when they are there (unix seconds)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun: dict[Key, _Begun] = {}
        """What was noted last comes last."""

    def note(self, route: Key, before: ForeignRoute | None, now: ForeignRoute | None) -> None:
        """Take in what a route claims now, and did not claim before."""
        known = self._begun.pop(route, _Begun({}, -math.inf))
        self._drop_old()
        if now is None or not now.managed:
            return
        at = self._clock.now()
        begun = at if before is not None else min(at, now.created)
        had = set(claims_of(before)) if before is not None else set()
        since = {claim: known.since.get(claim, -math.inf if claim in had else begun) for claim in claims_of(now)}
        moved = at if before is not None and before.paths != now.paths else known.moved
        noted = _Begun({claim: when for claim, when in since.items() if self._is_kept(when)}, moved)
        if self._is_kept(noted.last()):
            self._begun[route] = noted

    def begun_at_once(self, ours: Key, theirs: Key, claim: Claim) -> bool:
        """Tell whether ours has begun to claim this while the older route did, or after it, and lately."""
        begun, other = self._since(ours, claim), self._begun.get(theirs)
        came = max(self._since(theirs, claim), other.moved if other is not None else -math.inf)
        return self._is_kept(begun) and came - begun < AT_ONCE_SECONDS

    def is_newer(self, route: Key, claim: Claim, than: Claim) -> bool:
        """Tell whether a route has begun with one claim after it had the other."""
        return self._since(route, than) < self._since(route, claim)

    def _since(self, route: Key, claim: Claim) -> float:
        noted = self._begun.get(route)
        return -math.inf if noted is None else noted.since.get(claim, -math.inf)

    def _drop_old(self) -> None:
        """Keep nothing of the ten thousand claims that a start has found."""
        while self._begun:
            oldest = next(iter(self._begun))
            if self._is_kept(self._begun[oldest].last()):
                return
            del self._begun[oldest]

    def _is_kept(self, at: float) -> bool:
        return self._clock.now() - at < KEPT_SECONDS
