"""Finds out why a spec may not be tried, and which parts of it may go into a live route.

Tenancy, hosts that others claim, names that others hold. Traffic settings are live: an edit mid-rollout must not put
anything into the route that a new rollout could not start with, and must not stop the writes that revert a rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from serinus.api.parsing import ModelDeploymentView
from serinus.api.traffic import Traffic
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json
from serinus.core.model.names import normal_gateway, normal_host
from serinus.core.model.snapshot import Obstacle, Unreached
from serinus.core.model.tenancy import Tenancy
from serinus.core.serving.runtimes import runtime_of
from serinus.core.traffic.claimants import Claimants
from serinus.core.traffic.hosts import (
    ForeignRoute,
    HostConflict,
    OurRoute,
    host_conflicts,
    meet_on_a_path,
    not_delegated,
)
from serinus.core.traffic.listeners import Listeners, unreached
from serinus.core.traffic.provider import TrafficProvider
from serinus.runtime.fresh_claims import FreshClaims
from serinus.runtime.memory import Memory
from serinus.runtime.ours import our_routes
from serinus.runtime.permitted import Permitted
from serinus.runtime.ports import Cache, Clock

T = TypeVar("T")
KEPT = "; until then the route keeps what it had, and goes on serving"
WITHOUT = "; until then the route goes on serving without it"


def nobody(key: Key) -> None:
    """Wake nobody."""


@dataclass(frozen=True)
class _Found:
    """The conflicts of a ModelDeployment, and what they were found of."""

    view: ModelDeploymentView
    live: tuple[int | None, ...]
    """The versions of its routes."""
    changes: int
    conflicts: tuple[HostConflict, ...]
    answers: dict[str, object] = field(default_factory=dict)
    """What else was found of just that: a live rollout is passed by again and again."""

    def holds(self, view: ModelDeploymentView, live: tuple[int | None, ...], changes: int) -> bool:
        """Whether all of it is still the very same."""
        return self.view is view and self.live == live and self.changes == changes


@dataclass
class _Lost:
    """What an older route has: hosts, gateways, and whether the paths that are new."""

    hosts: set[str] = field(default_factory=set)
    gateways: set[str] = field(default_factory=set)
    paths: bool = False


class Claims:
    """Judges what a spec claims against the configuration and everybody's routes.

    `wake` is told which ModelDeployments are to be judged anew, because a route that overlaps theirs, or a Gateway that
    they name, came, changed what it claims or listens for, or went. Gateways are known in `gateway_namespaces`, or
    everywhere without any: of others nothing is said.
    Of two ModelDeployments that have begun to claim a host at once the younger one gives it back.
    """

    def __init__(
        self,
        cache: Cache,
        tenancy: Tenancy,
        *,
        sources: tuple[str, ...],
        provider: TrafficProvider,
        clock: Clock,
        gateway_namespaces: Sequence[str] = (),
        wake: Callable[[Key], None] = nobody,
    ) -> None:
        self._cache = cache
        self._tenancy = tenancy
        self._permitted = Permitted(tenancy, provider, sources)
        self._provider = provider
        self._gateway_namespaces = frozenset(gateway_namespaces)
        self._wake = wake
        self._fresh = FreshClaims(clock)
        self._claimants = Claimants()
        self._ours = Claimants()
        self._asked: dict[Key, Sequence[OurRoute]] = {}
        self._owners: dict[Key, Key] = {}
        self._listening: dict[str, Listeners] = {}
        self._found: dict[Key, _Found] = {}
        self._changes = 0
        """How often what a route claims, or a gateway listens for, has changed."""
        cache.follow(provider.route, self._routed)
        cache.follow(provider.gateway, self._listened)
        cache.follow(MODEL_DEPLOYMENT, self._deployed)

    def obstacles(self, view: ModelDeploymentView, memory: Memory) -> Iterator[Obstacle]:
        """The reasons why nothing new may start."""
        permitted = self._permitted
        yield from self._once(view, "refused", lambda: (*permitted.refused(view), *permitted.unbound(view)))
        yield from self._blocked(view)
        yield from memory.conflicts.values()

    def _blocked(self, view: ModelDeploymentView) -> Iterator[Obstacle]:
        """Name the older routes that have what is asked for, and say what ours does meanwhile."""
        blocking = [one for one in self.conflicts(view) if one.blocking]
        if not blocking:
            return
        served = any(one is not None for one in self._live(view).values())
        lost = self._taken(view, self._own(view))
        for one in blocking:
            meanwhile = WITHOUT if one.host in lost.hosts else KEPT
            yield Obstacle("HostConflict", f"{one.message}{meanwhile if served else ''}")

    def unreached(self, view: ModelDeploymentView) -> Unreached | None:
        """Why requests from outside do not arrive: a gateway that is not there, or has no server for a host.

        Nothing is said of what the namespace may not use: it is refused, and whether it exists is its owner's business.
        """
        return self._once(view, "unreached", lambda: self._unreached(view))

    def _unreached(self, view: ModelDeploymentView) -> Unreached | None:
        tenancy, place, traffic = self._tenancy, view.namespace, view.spec.traffic
        hosts = tuple(host for host in (traffic.hosts if traffic else ()) if tenancy.may_use_host(place, host))
        gateways = tuple(one for one in self._provider.bound_gateways(traffic) if tenancy.may_use_gateway(place, one))
        if not gateways:
            return None
        known = bool(hosts) and all(self._is_known(one, place) for one in gateways)
        ours = replace(self._our_claims(view)[0], hosts=hosts, gateways=gateways)
        missing = unreached(ours, self._listening, self._provider.terms) if known else None
        if missing is None or missing.served:
            return missing or self._not_accepted(view)
        bound = self._provider.bound_gateways(self.admitted(view))
        still = replace(ours, gateways=bound)
        if still.normal_gateways == ours.normal_gateways or unreached(still, self._listening, self._provider.terms):
            return missing
        names = ", ".join(sorted(still.normal_gateways))
        return replace(missing, message=f"{missing.message}; until then the route stays on {names}", served=True)

    def _not_accepted(self, view: ModelDeploymentView) -> Unreached | None:
        """Say why a gateway does not carry out a route that is there."""
        live = our_routes(self._cache, self._provider, view)
        return next(filter(None, map(self._provider.refusal, live.values())), None)

    def _is_known(self, gateway: str, namespace: str) -> bool:
        """Tell whether we would see a Gateway if it were there."""
        place = normal_gateway(gateway, namespace).partition("/")[0]
        return not self._gateway_namespaces or place in self._gateway_namespaces

    def admitted(self, view: ModelDeploymentView) -> Traffic | None:
        """The spec's traffic without what may not be used: refused here, taken before ours had it, or not there.

        A route that would be left without any gateway, and serves nobody then, keeps those that it has: a revert must
        reach it, and so must requests while a name is misspelt.
        """
        return self._once(view, "admitted", lambda: self._admitted(view))

    def _admitted(self, view: ModelDeploymentView) -> Traffic | None:
        traffic = view.spec.traffic
        if traffic is None and self._provider.serves_unbound:
            return None
        traffic = traffic or Traffic()
        provider, live = self._provider, self._own(view)
        lost = self._taken(view, live)
        if live is not None and lost.paths:
            kept = provider.read_settings(live)
            traffic = traffic.model_copy(update={"path_prefix": kept.prefix or None, "all_paths": kept.all_paths})
        tenancy, place = self._tenancy, view.namespace
        named = provider.named_gateways(traffic)
        hosts = tuple(
            one
            for one in traffic.hosts
            if tenancy.may_use_host(place, one) and normal_host(one, place, tenancy.domain) not in lost.hosts
        )
        granted = [one for one in named if tenancy.may_use_gateway(place, one)]
        absent = self._absent(traffic, place, live)
        gateways = tuple(one for one in granted if normal_gateway(one, place) not in lost.gateways | absent)
        serves = provider.serves_unbound and not absent
        if not gateways and not serves and not traffic.is_delegate and live is not None:
            return provider.kept(traffic, hosts, live)
        if (hosts, gateways) == (traffic.hosts, named):
            return traffic
        return provider.bind(traffic, hosts, gateways)

    def _absent(self, traffic: Traffic, place: str, live: Json | None) -> set[str]:
        """The gateways that are not there, and that a live route is not bound to already."""
        if live is None:
            return set()
        named = {normal_gateway(one, place) for one in self._provider.bound_gateways(traffic)}
        had = self._provider.read_claims(live).gateways
        return {one for one in named - had - self._listening.keys() if self._is_known(one, place)}

    def concern(self, view: ModelDeploymentView) -> Obstacle | None:
        """What people should know although it stops nothing: a younger route on our host, or an idle delegate."""
        return self._once(view, "concern", lambda: self._concern(view))

    def _concern(self, view: ModelDeploymentView) -> Obstacle | None:
        reported = (one for one in self.conflicts(view) if not one.blocking and self._claimants.claims(one))
        conflict = next(reported, None)
        return Obstacle("HostConflict", conflict.message) if conflict else self._not_delegated(view)

    def _not_delegated(self, view: ModelDeploymentView) -> Obstacle | None:
        """Say that no route of the user's own leaves us the requests that a delegate waits for."""
        traffic, route = view.spec.traffic, Key(view.namespace, self._provider.route_names(view.name)[0])
        if traffic is None or not traffic.is_delegate:
            return None
        return not_delegated(route, traffic.path_prefix or "", self._claimants.delegating(route))

    def bypasses(self, services: Iterable[str]) -> Iterator[str]:
        """Say which routes send requests to these Services without asking ours."""
        for service in services:
            for route in self._claimants.reaching(service):
                yield f"{route.kind} {route.key} sends requests to {service} itself"

    def conflicts(self, view: ModelDeploymentView) -> tuple[HostConflict, ...]:
        """Hosts of ours that another route claims too."""
        return self._current(view).conflicts

    def _once(self, view: ModelDeploymentView, question: str, find: Callable[[], T]) -> T:
        """Give an answer that nothing but the spec, our routes, what others claim and gateways decide.

        Where others claim the same, who was first is for a while a question of time: then it is found anew.
        """
        found = self._current(view)
        if found.conflicts:
            return find()
        if question not in found.answers:
            found.answers[question] = find()
        answer: T = found.answers[question]  # type: ignore[assignment]
        return answer

    def _current(self, view: ModelDeploymentView) -> _Found:
        """Give what is found of a spec: anew only when it, our routes or what others claim has changed."""
        key = Key(view.namespace, view.name)
        names = self._provider.route_names(view.name)
        live = tuple(self._cache.version(self._provider.route, view.namespace, name) for name in names)
        known = self._found.get(key)
        if known is None or not known.holds(view, live, self._changes):
            known = self._found[key] = _Found(view, live, self._changes, self._conflicts(view))
        return known

    def rest(self, key: Key) -> None:
        """Forget what is found anew by the next pass."""
        self._found.pop(key, None)

    def _conflicts(self, view: ModelDeploymentView) -> tuple[HostConflict, ...]:
        routes = self._our_claims(view)
        self._remember(Key(view.namespace, view.name), routes)
        ours = {Key(view.namespace, name) for name in self._provider.route_names(view.name)}
        found: list[HostConflict] = []
        for route in routes:
            others = [one for one in self._claimants.beside(route) if one.key not in ours]
            found += host_conflicts(route, others)
        return tuple(sorted(found, key=lambda conflict: not conflict.blocking))

    def _our_claims(self, view: ModelDeploymentView) -> tuple[OurRoute, ...]:
        live = {name: one for name, one in self._live(view).items() if one is not None}
        owner, interface = Owner(view.namespace, view.name, view.uid), runtime_of(view.spec.runtime).interface
        return self._provider.claims(owner, view.spec.traffic, live, interface)

    def _own(self, view: ModelDeploymentView) -> Json | None:
        """Give the route that the user's hosts are in, if it is there and ours."""
        return our_routes(self._cache, self._provider, view).get(self._provider.route_names(view.name)[0])

    def _live(self, view: ModelDeploymentView) -> dict[str, Json | None]:
        """Whatever has the names of our routes, ours or not."""
        names = self._provider.route_names(view.name)
        return {name: self._cache.get(self._provider.route, view.namespace, name) for name in names}

    def _taken(self, view: ModelDeploymentView, live: Json | None) -> _Lost:
        """What another route had before ours: that is never begun with, nor is a path that a younger one serves."""
        had = self._provider.read_claims(live) if live is not None else None
        lost = _Lost()
        for one in self.conflicts(view):
            if had and live and self._has(one, had, live):
                if self._was_begun_at_once(one, had):
                    self._give_back(one, had, lost)
                continue
            if not (one.blocking or self._is_moved_to(one, had)):
                continue
            if had is None or one.host not in had.hosts:
                lost.hosts.add(one.host)
            elif one.gateway not in had.gateways:
                lost.gateways.add(one.gateway)
            else:
                lost.paths = True
        return lost

    def _is_moved_to(self, conflict: HostConflict, had: ForeignRoute | None) -> bool:
        """Whether it is only our paths that come to where the other, a younger one, is already with just this host."""
        theirs = self._claimants.of(conflict.theirs)
        bound = had is not None and conflict.host in had.hosts and conflict.gateway in had.gateways
        return bound and theirs is not None and conflict.host in theirs.hosts

    def _was_begun_at_once(self, conflict: HostConflict, had: ForeignRoute) -> bool:
        """Whether our route has begun to claim a host while the older one of another ModelDeployment did."""
        theirs = self._claimants.of(conflict.theirs)
        claim = (conflict.gateway, conflict.host)
        managed = conflict.blocking and theirs is not None and theirs.managed
        return managed and self._fresh.begun_at_once(had.key, conflict.theirs, claim)

    def _give_back(self, conflict: HostConflict, had: ForeignRoute, lost: _Lost) -> None:
        """Give back what is new: the gateway, where the host was served on another one before."""
        claim = (conflict.gateway, conflict.host)
        if any(self._fresh.is_newer(had.key, claim, than=(each, conflict.host)) for each in had.gateways):
            lost.gateways.add(conflict.gateway)
        else:
            lost.hosts.add(conflict.host)

    def _has(self, conflict: HostConflict, had: ForeignRoute, live: Json) -> bool:
        """Whether our live route already has what it claims beside another."""
        theirs = self._claimants.of(conflict.theirs)
        below = self._provider.read_settings(live).prefix if self._provider.longest_path_wins else ""
        shared = theirs is None or meet_on_a_path(had.paths, theirs, below)
        return shared and conflict.host in had.hosts and conflict.gateway in had.gateways

    def _routed(self, namespace: str, name: str, manifest: Json | None) -> None:
        """Follow what becomes of a route; weights are no news to anybody but its owner."""
        key = Key(namespace, name)
        before, now = self._claimants.of(key), self._read(manifest)
        if before == now:
            return
        self._changes += 1
        self._fresh.note(key, before, now)
        if now is None:
            self._claimants.drop(key)
        else:
            self._claimants.add(now)
        known = [one for one in (before, now) if one]
        concerned = {ours.key for one in known for ours in self._ours.beside(_as_ours(one))}
        concerned |= {delegation.to for one in known for delegation in one.delegations}
        owners = {self._owners[ours] for ours in (*concerned, key) if ours in self._owners}
        for owner in sorted(owners):
            self._wake(owner)

    def _read(self, manifest: Json | None) -> ForeignRoute | None:
        return self._provider.read_claims(manifest) if manifest is not None else None

    def _listened(self, namespace: str, name: str, manifest: Json | None) -> None:
        """Follow what becomes of a gateway; those who name it are told when its hosts change."""
        gateway = f"{namespace}/{name}"
        before = self._listening.get(gateway)
        now = self._provider.read_listeners(manifest) if manifest is not None else None
        if before == now:
            return
        self._changes += 1
        if now is None:
            del self._listening[gateway]
        else:
            self._listening[gateway] = now
        for key in sorted(key for key, routes in self._asked.items() if _names(routes, gateway)):
            self._wake(key)

    def _deployed(self, namespace: str, name: str, manifest: Json | None) -> None:
        key = Key(namespace, name)
        if manifest is None:
            self._found.pop(key, None)
            for route in self._asked.pop(key, ()):
                self._ours.drop(route.key)
                del self._owners[route.key]

    def _remember(self, key: Key, routes: Sequence[OurRoute]) -> None:
        """Keep what a ModelDeployment claims, to know whom a route concerns."""
        if self._asked.get(key) == routes:
            return
        self._asked[key] = routes
        for route in routes:
            self._owners[route.key] = key
            claimed = (route.normal_hosts, route.normal_gateways)
            self._ours.add(ForeignRoute("", route.key, *claimed, created=0.0, paths=route.paths))


def _names(routes: Iterable[OurRoute], gateway: str) -> bool:
    return any(gateway in route.normal_gateways for route in routes)


def _as_ours(route: ForeignRoute) -> OurRoute:
    return OurRoute(route.key, tuple(route.hosts), tuple(route.gateways), route.created, paths=route.paths)
