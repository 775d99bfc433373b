"""Tells objects of this very ModelDeployment from those of a deleted one with the same name.

Labels carry only names. If a ModelDeployment is deleted and applied again, the old one's objects stay until the garbage
collector removes them; they are not part of the new one's history.
"""

from __future__ import annotations

from typing import Protocol

from serinus.core.model.identity import controller_uid
from serinus.core.model.kinds import Json, Kind
from serinus.core.traffic.provider import TrafficProvider
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.ports import Cache


class Owning(Protocol):
    """Anything that owns objects: an Owner, or the view of a ModelDeployment."""

    @property
    def namespace(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def uid(self) -> str: ...


def ours(cache: Cache, kind: Kind, owner: Owning) -> dict[str, Json]:
    """Give the objects of a kind that it controls, by name."""
    owned = cache.owned(kind, owner.namespace, owner.name)
    return {name: one for name, one in owned.items() if controller_uid(one) == owner.uid}


def our_routes(cache: Cache, provider: TrafficProvider, owner: Owning) -> dict[str, Json]:
    """Give those of its routes of one API that are there, by name, also where somebody has taken our label off."""
    names = provider.route_names(owner.name)
    found = {name: cache.get(provider.route, owner.namespace, name) for name in names}
    return {name: one for name, one in found.items() if one is not None and controller_uid(one) == owner.uid}


def every_route(cache: Cache, providers: TrafficProviders, owner: Owning) -> list[Json]:
    """Give those of its routes that are there, of whichever routing API."""
    return [route for provider in providers.each for route in our_routes(cache, provider, owner).values()]
