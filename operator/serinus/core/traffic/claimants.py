"""Who claims which host on which gateway, kept up to date one route at a time: no pass reads all routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from serinus.core.model.identity import Key
from serinus.core.model.names import overlap
from serinus.core.traffic.hosts import ForeignRoute, HostConflict, OurRoute

ANY: Final = ""
"""In place of a path's first element: it may be any."""
_Label = TypeVar("_Label")
Claim = tuple[str, str]
"""A gateway and a host, both normalised."""


class Claimants:
    """An index of every route of one routing API, ours too, by what it claims."""

    def __init__(self) -> None:
        self._routes: dict[Key, ForeignRoute] = {}
        self._by_claim: dict[Claim, set[Key]] = {}
        self._wildcards: dict[Claim, set[Key]] = {}
        self._by_element: dict[tuple[Claim, str], set[Key]] = {}
        self._by_service: dict[str, set[Key]] = {}
        self._by_delegate: dict[Key, set[Key]] = {}

    def add(self, route: ForeignRoute) -> None:
        """Take in a route, or what it claims now."""
        self.drop(route.key)
        self._routes[route.key] = route
        for claim in claims_of(route):
            self._shelf(claim).setdefault(claim, set()).add(route.key)
            for element in _elements(route.paths):
                self._by_element.setdefault((claim, element), set()).add(route.key)
        for service in route.services:
            self._by_service.setdefault(service, set()).add(route.key)
        for delegation in route.delegations:
            self._by_delegate.setdefault(delegation.to, set()).add(route.key)

    def drop(self, key: Key) -> None:
        """Forget a route."""
        route = self._routes.pop(key, None)
        if route is None:
            return
        for claim in claims_of(route):
            _take_off(self._shelf(claim), claim, key)
            for element in _elements(route.paths):
                _take_off(self._by_element, (claim, element), key)
        for service in route.services:
            _take_off(self._by_service, service, key)
        for to in {delegation.to for delegation in route.delegations}:
            _take_off(self._by_delegate, to, key)

    def of(self, key: Key) -> ForeignRoute | None:
        """Give what is known of a route."""
        return self._routes.get(key)

    def beside(self, ours: OurRoute) -> list[ForeignRoute]:
        """List the other routes that may claim what ours does; wildcards are few, and looked through.

        Of a thousand models on one host only those are listed whose paths may begin as ours do.
        """
        found: set[Key] = set()
        for gateway in ours.normal_gateways:
            for host in ours.normal_hosts:
                found |= self._at((gateway, host), _elements(ours.paths))
                found.update(self._around(gateway, host))
        return [self._routes[key] for key in sorted(found - {ours.key})]

    def _at(self, claim: Claim, elements: frozenset[str]) -> set[Key]:
        """Give the routes with a claim whose paths begin with one of these elements, or with any."""
        if ANY in elements:
            return self._by_claim.get(claim, set())
        shelves = (self._by_element.get((claim, element), set()) for element in elements | {ANY})
        return set().union(*shelves)

    def reaching(self, service: str) -> list[ForeignRoute]:
        """List the routes that send requests to a Service, by its full name."""
        return [self._routes[key] for key in sorted(self._by_service.get(service, ()))]

    def delegating(self, to: Key) -> list[ForeignRoute]:
        """List the routes that delegate to one."""
        return [self._routes[key] for key in sorted(self._by_delegate.get(to, ()))]

    def claims(self, conflict: HostConflict) -> bool:
        """Whether the other side names just this host, and no wildcard around it."""
        theirs = self._routes.get(conflict.theirs)
        return theirs is not None and conflict.host in theirs.hosts

    def _around(self, gateway: str, host: str) -> Iterator[Key]:
        shelves = (self._wildcards, self._by_claim) if host.startswith("*") else (self._wildcards,)
        for shelf in shelves:
            for (other_gateway, other), keys in shelf.items():
                if other_gateway == gateway and overlap(host, other):
                    yield from keys

    def _shelf(self, claim: Claim) -> dict[Claim, set[Key]]:
        return self._wildcards if claim[1].startswith("*") else self._by_claim


def _elements(paths: frozenset[str]) -> frozenset[str]:
    """List what is whole of the first elements of some paths: what a path ends in may go on."""
    split = (path.split("/", 2) for path in paths)
    return frozenset(parts[1] if len(parts) > 2 else ANY for parts in split)


def _take_off(shelf: dict[_Label, set[Key]], label: _Label, key: Key) -> None:
    shelf[label].discard(key)
    if not shelf[label]:
        del shelf[label]


def claims_of(route: ForeignRoute) -> Iterator[Claim]:
    """List what a route claims."""
    return ((gateway, host) for gateway in route.gateways for host in route.hosts)
