"""Who claims which host on which gateway, kept up to date one route at a time: no pass reads all routes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final, Generic, TypeVar

from serinus.core.model.identity import Key
from serinus.core.model.names import overlap
from serinus.core.traffic.hosts import ForeignRoute, HostConflict, OurRoute

ANY: Final = ""
"""In place of a path's first element: it may be any."""
_Label = TypeVar("_Label")
Claim = tuple[str, str]
"""A gateway and a host, both normalised."""


class _Index(Generic[_Label]):
    """The keys of routes by a label. Nearly every label has a single one, for which no set is made."""

    def __init__(self) -> None:
        self._kept: dict[_Label, Key | set[Key]] = {}

    def add(self, label: _Label, key: Key) -> None:
        """Put a label on a route."""
        known = self._kept.get(label)
        if isinstance(known, set):
            known.add(key)
        else:
            self._kept[label] = key if known is None or known == key else {known, key}

    def drop(self, label: _Label, key: Key) -> None:
        """Take a label off a route that has it."""
        known = self._kept[label]
        if not isinstance(known, set):
            del self._kept[label]
            return
        known.discard(key)
        if len(known) == 1:
            self._kept[label] = known.pop()

    def of(self, label: _Label) -> Collection[Key]:
        """Give the routes with a label."""
        known = self._kept.get(label)
        return known if isinstance(known, set) else () if known is None else (known,)

    def labels(self) -> Iterable[_Label]:
        """Give all labels."""
        return self._kept.keys()


class Claimants:
    """An index of every route of one routing API, ours too, by what it claims.

    By the first elements of paths only those are found that share a claim: most have a host of their own.
    """

    def __init__(self) -> None:
        self._routes: dict[Key, ForeignRoute] = {}
        self._by_claim: _Index[Claim] = _Index()
        self._wildcards: _Index[Claim] = _Index()
        self._by_element: _Index[tuple[Claim, str]] = _Index()
        self._by_service: _Index[str] = _Index()
        self._by_delegate: _Index[Key] = _Index()

    def add(self, route: ForeignRoute) -> None:
        """Take in a route, or what it claims now."""
        self.drop(route.key)
        self._routes[route.key] = route
        for claim in claims_of(route):
            shelf = self._shelf(claim)
            shelf.add(claim, route.key)
            sharing = shelf.of(claim)
            for key in sharing if len(sharing) == 2 else (route.key,) if len(sharing) > 2 else ():
                for element in _elements(self._routes[key].paths):
                    self._by_element.add((claim, element), key)
        for service in route.services:
            self._by_service.add(service, route.key)
        for delegation in route.delegations:
            self._by_delegate.add(delegation.to, route.key)

    def drop(self, key: Key) -> None:
        """Forget a route."""
        route = self._routes.get(key)
        if route is None:
            return
        for claim in claims_of(route):
            shelf = self._shelf(claim)
            sharing = tuple(shelf.of(claim))
            for one in sharing if len(sharing) == 2 else (key,) if len(sharing) > 2 else ():
                for element in _elements(self._routes[one].paths):
                    self._by_element.drop((claim, element), one)
            shelf.drop(claim, key)
        del self._routes[key]
        for service in route.services:
            self._by_service.drop(service, key)
        for to in {delegation.to for delegation in route.delegations}:
            self._by_delegate.drop(to, key)

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
                found.update(self._at((gateway, host), _elements(ours.paths)))
                found.update(self._around(gateway, host))
        return [self._routes[key] for key in sorted(found - {ours.key})]

    def _at(self, claim: Claim, elements: frozenset[str]) -> Iterable[Key]:
        """Give the routes with a claim whose paths begin with one of these elements, or with any."""
        sharing = self._by_claim.of(claim)
        if ANY in elements:
            return sharing
        if len(sharing) < 2:
            return [key for key in sharing if not _elements(self._routes[key].paths).isdisjoint(elements | {ANY})]
        return set[Key]().union(*(self._by_element.of((claim, element)) for element in elements | {ANY}))

    def reaching(self, service: str) -> list[ForeignRoute]:
        """List the routes that send requests to a Service, by its full name."""
        return [self._routes[key] for key in sorted(self._by_service.of(service))]

    def delegating(self, to: Key) -> list[ForeignRoute]:
        """List the routes that delegate to one."""
        return [self._routes[key] for key in sorted(self._by_delegate.of(to))]

    def claims(self, conflict: HostConflict) -> bool:
        """Whether the other side names just this host, and no wildcard around it."""
        theirs = self._routes.get(conflict.theirs)
        return theirs is not None and conflict.host in theirs.hosts

    def _around(self, gateway: str, host: str) -> Iterator[Key]:
        shelves = (self._wildcards, self._by_claim) if host.startswith("*") else (self._wildcards,)
        for shelf in shelves:
            for claim in shelf.labels():
                if claim[0] == gateway and overlap(host, claim[1]):
                    yield from shelf.of(claim)

    def _shelf(self, claim: Claim) -> _Index[Claim]:
        return self._wildcards if claim[1].startswith("*") else self._by_claim


def _elements(paths: frozenset[str]) -> frozenset[str]:
    """List what is whole of the first elements of some paths: what a path ends in may go on."""
    split = (path.split("/", 2) for path in paths)
    return frozenset(parts[1] if len(parts) > 2 else ANY for parts in split)


def claims_of(route: ForeignRoute) -> Iterator[Claim]:
    """List what a route claims."""
    return ((gateway, host) for gateway in route.gateways for host in route.hosts)
