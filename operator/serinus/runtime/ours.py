"""Tells objects of this very ModelDeployment from those of a deleted one with the same name.

Labels carry only names. If a ModelDeployment is deleted and applied again, the old one's objects stay until the garbage
collector removes them; they are not part of the new one's history.
"""

from __future__ import annotations

from typing import Protocol

from serinus.core.model.identity import controller_uid
from serinus.core.model.kinds import VIRTUAL_SERVICE, Json, Kind
from serinus.core.traffic.istio import route_name
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


def our_route(cache: Cache, owner: Owning, *, mesh: bool = False) -> Json | None:
    """Give its VirtualService for the gateways, or for the mesh, also when somebody has taken our label off."""
    manifest = cache.get(VIRTUAL_SERVICE, owner.namespace, route_name(owner.name, mesh=mesh))
    return manifest if manifest is not None and controller_uid(manifest) == owner.uid else None


def our_routes(cache: Cache, owner: Owning) -> tuple[Json, ...]:
    """Give those of its VirtualServices that are there."""
    routes = (our_route(cache, owner, mesh=mesh) for mesh in (False, True))
    return tuple(route for route in routes if route is not None)
