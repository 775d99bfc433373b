"""The routing APIs together: which one a spec has chosen, and what all routes of a ModelDeployment say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from serinus.api.traffic import Traffic
from serinus.core.model.kinds import Json, Kind, kind_of
from serinus.core.model.split import Split
from serinus.core.traffic.provider import TrafficProvider


@dataclass(frozen=True)
class TrafficProviders:
    """Every routing API that there is, one of each."""

    each: tuple[TrafficProvider, ...]

    def of(self, traffic: Traffic | None) -> TrafficProvider:
        """Give the one that a spec has chosen."""
        wanted = (traffic or Traffic()).api
        return next(one for one in self.each if one.api is wanted)

    def others(self, traffic: Traffic | None) -> tuple[TrafficProvider, ...]:
        """Give those that it has not: what it has left may still be there."""
        chosen = self.of(traffic)
        return tuple(one for one in self.each if one is not chosen)

    @property
    def routes(self) -> tuple[Kind, ...]:
        """The kinds that carry a split."""
        return tuple(one.route for one in self.each)

    @property
    def gateways(self) -> tuple[Kind, ...]:
        """The kinds that routes are bound to."""
        return tuple(one.gateway for one in self.each)

    @property
    def policies(self) -> tuple[Kind, ...]:
        """The kinds of which each revision may have one."""
        return tuple(dict.fromkeys(kind for one in self.each for kind in one.policies))

    def read(self, routes: Iterable[Json]) -> tuple[Split | None, bool]:
        """Read what our routes say together, and whether it is not clear what they say.

        Where one write of two has failed they differ: then the one that gives more to a revision beside stable counts.
        """
        reads = {one.route: one.read for one in self.each}
        splits = [reads[kind_of(route)](route) for route in routes]
        known = [split for split in splits if split is not None]
        widest = max(known, key=_width, default=None)
        return widest, len(known) < len(splits) or any(split != widest for split in known)


def _width(split: Split) -> tuple[int, int, int]:
    """How much goes to a revision beside stable."""
    return sum(weight for _, weight in split.weights[1:]), len(split.matches), split.mirror
