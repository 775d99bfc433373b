"""Makes derived objects what they should be: applies what differs, deletes what is retired, touches nothing else.

Every write names the version of the object that it is based on. After a 409 (our copy was stale, even if the watch is
dead) that very object is read and compared again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from sys import intern

from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone, Invalid
from serinus.core.model.identity import Owner, controller_uid
from serinus.core.model.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    POD_DISRUPTION_BUDGET,
    ROLLOUT,
    SERVICE,
    Json,
    Kind,
    kind_of,
)
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.artifacts import pin_name
from serinus.core.plan.diff import Difference, carries, differences, same_intent, with_intent
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.carried import Carried
from serinus.runtime.introducing import introduce
from serinus.runtime.memory import Memory
from serinus.runtime.ours import ours
from serinus.runtime.ports import Cache, Cluster
from serinus.runtime.rereading import TRIES, read_anew

RETIRING = (DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, CONFIG_MAP)
"""And the policies of routing APIs."""


@dataclass(frozen=True)
class Applied:
    """The result of writing a child: whether it existed before, and whether somebody else had changed it."""

    manifest: Json
    created: bool
    drifted: bool = False


class Children:
    """The only writer of derived objects."""

    def __init__(self, cluster: Cluster, cache: Cache, providers: TrafficProviders) -> None:
        self._cluster = cluster
        self._cache = cache
        self._providers = providers

    async def ensure(self, owner: Owner, wanted: Json, memory: Memory, *, insist: bool = True) -> Applied | None:
        """Apply a child if the live one does not carry it; None when nothing was written.

        Of a name that we do not know as ours only what is missing is made: what somebody else made is a NameConflict,
        left alone.
        Without `insist` a 409 is raised once the object has been read anew: what it was decided on may be old, too.
        """
        try:
            applied = await self._insisted(owner, wanted, memory, TRIES if insist else 1)
        except (Invalid, Forbidden) as error:
            if kind_of(wanted) == DEPLOYMENT:
                memory.refused[wanted["metadata"]["name"]] = str(error)
            elif kind_of(wanted) in self._providers.routes:
                self._note_refused(wanted, memory, error)
            raise
        if kind_of(wanted) == DEPLOYMENT:
            memory.refused.pop(wanted["metadata"]["name"], None)
        return applied

    async def replace(self, owner: Owner, wanted: Json, memory: Memory) -> Applied | None:
        """Make an immutable object anew that is missing or says something else: one of ours is deleted first."""
        kind, name = kind_of(wanted), wanted["metadata"]["name"]
        live = self._cache.get(kind, owner.namespace, name)
        if live is not None and controller_uid(live) == owner.uid:
            await self._delete(owner, kind, live)
        return await self.ensure(owner, wanted, memory)

    @staticmethod
    def _note_refused(wanted: Json, memory: Memory, error: ClusterError) -> None:
        """Let people know why a route is not as the spec has it."""
        label = child_label(kind_of(wanted), wanted["metadata"]["name"])
        memory.conflicts[label] = Obstacle("RouteRefused", f"the API server refuses {label.replace('/', ' ')}: {error}")

    async def _insisted(self, owner: Owner, wanted: Json, memory: Memory, tries: int) -> Applied | None:
        kind, name = kind_of(wanted), wanted["metadata"]["name"]
        for attempt in range(tries):
            try:
                return await self._ensured(owner, wanted, memory)
            except (Conflict, Gone):
                await read_anew(self._cluster, self._cache, kind, owner.namespace, name)
                if attempt == tries - 1:
                    raise
        raise AssertionError("the last try returns or raises")

    async def _ensured(self, owner: Owner, wanted: Json, memory: Memory) -> Applied | None:
        kind, name = kind_of(wanted), wanted["metadata"]["name"]
        label, live = child_label(kind, name), self._cache.get(kind, owner.namespace, name)
        stamped = with_intent(wanted)
        if live is None or controller_uid(live) != owner.uid:
            return await self._introduce(owner, stamped, memory, surely_there=live is not None)
        memory.conflicts.pop(label, None)
        if carries(live, stamped):
            memory.altered.pop(label, None)
            return None
        differs = differences(live, stamped)
        if differs and memory.altered.get(label) == differs:
            # The API server answered our own apply with just this: admission has its reasons, and has the last word.
            return None
        stored = await self._apply(_conditional(_with_held_replicas(stamped, live), live))
        left = _remember_altered(memory, label, stored, stamped)
        return Applied(stored, created=False, drifted=same_intent(live, stamped) and left != differs)

    def alone(self, owner: Owner, pods: Mapping[str, int | None]) -> frozenset[str]:
        """Name the revisions of a single pod that have no disruption budget: it would hold nothing.

        One that is there stays as it should be: what a hand has made of it may hold a node.
        """
        budgets = ours(self._cache, POD_DISRUPTION_BUDGET, owner)
        return frozenset(
            name for name, number in pods.items() if number is not None and number <= 1 and name not in budgets
        )

    def carry(self, owner: Owner, wish: tuple[object, ...], memory: Memory) -> bool:
        """Whether the children were found to carry this very wish, and not one of them has changed by now."""
        known = memory.carried
        if known is None or not known.holds(wish):
            return False
        if known.wish is None:
            memory.carried = replace(known, wish=wish)
        return all(self._cache.version(kind, owner.namespace, name) == version for kind, name, version in known.live)

    def remember(
        self, owner: Owner, wish: tuple[object, ...], memory: Memory, names: Iterable[tuple[Kind, str]]
    ) -> None:
        """Remember which live objects carry a wish; `names` are those of all that it asks for."""
        found = [(kind, intern(name), self._cache.version(kind, owner.namespace, name)) for kind, name in names]
        live = tuple((kind, name, version) for kind, name, version in found if version is not None)
        memory.carried = Carried(wish, live) if len(live) == len(found) else None

    async def _introduce(self, owner: Owner, stamped: Json, memory: Memory, *, surely_there: bool) -> Applied | None:
        """Make what is not there, and take up what is there and ours; a name that was taken is looked up first."""
        kind, name = kind_of(stamped), stamped["metadata"]["name"]
        label, created = child_label(kind, name), False
        taken = surely_there or label in memory.conflicts
        stored = await self._cluster.get(kind, owner.namespace, name) if taken else None
        if stored is None:
            stored, created = await introduce(self._cluster, stamped)
        if controller_uid(stored) != owner.uid:
            memory.conflicts[label] = Obstacle(
                "NameConflict",
                f"{kind.name} {name} exists and is not ours: rename the ModelDeployment, or remove the {kind.name}",
            )
            return None
        memory.conflicts.pop(label, None)
        if created:
            memory.children_made += 1
            self._cache.put(stored)
        else:
            stored = await self._apply(_conditional(_with_held_replicas(stamped, stored), stored))
        _remember_altered(memory, label, stored, stamped)
        return Applied(stored, created=created)

    async def _apply(self, manifest: Json) -> Json:
        stored = await self._cluster.apply(manifest, force=True)
        self._cache.put(stored)
        return stored

    async def retire(self, owner: Owner, revision: str) -> None:
        """Delete what ran a revision."""
        named = [(kind, revision) for kind in (*RETIRING, *self._providers.policies)]
        for kind, name in (*named, (CONFIG_MAP, pin_name(revision))):
            live = ours(self._cache, kind, owner).get(name)
            if live is not None:
                await self._delete(owner, kind, live)

    async def withdraw(self, owner: Owner, unwanted: Iterable[Json]) -> None:
        """Delete routes and policies of ours that are wanted no more."""
        for live in unwanted:
            await self._delete(owner, kind_of(live), live)

    async def forget(self, owner: Owner, kind: Kind, names: Iterable[str]) -> None:
        """Delete history that is beyond the limit."""
        assert kind in {CONTROLLER_REVISION, ROLLOUT}
        for name in names:
            live = ours(self._cache, kind, owner).get(name)
            if live is not None:
                await self._delete(owner, kind, live)

    async def _delete(self, owner: Owner, kind: Kind, live: Json) -> None:
        """Delete an object as it was when that was decided; one that has changed is read anew and decided on again."""
        metadata = live["metadata"]
        if metadata.get("deletionTimestamp"):
            return
        name, version = metadata["name"], metadata["resourceVersion"]
        try:
            await self._cluster.delete(kind, owner.namespace, name, uid=metadata["uid"], resource_version=version)
        except Conflict:
            await read_anew(self._cluster, self._cache, kind, owner.namespace, name)
            raise


def forget_unwanted(memory: Memory, wanted: Iterable[Json]) -> None:
    """Forget the conflicts over names that are wanted no more, and what admission has made of them."""
    labels = {child_label(kind_of(manifest), manifest["metadata"]["name"]) for manifest in wanted}
    memory.conflicts = {label: obstacle for label, obstacle in memory.conflicts.items() if label in labels}
    memory.altered = {label: altered for label, altered in memory.altered.items() if label in labels}


def first_error(errors: Iterable[ClusterError]) -> ClusterError | None:
    """The error that the pass ends with: one that asks for another look goes before one that asks for patience."""
    ordered = sorted(errors, key=lambda error: not isinstance(error, Conflict | Gone))
    return next(iter(ordered), None)


def _conditional(stamped: Json, live: Json) -> Json:
    """Put the precondition on a write: this very version of this very object."""
    metadata = {field: live["metadata"][field] for field in ("uid", "resourceVersion")}
    return {**stamped, "metadata": {**stamped["metadata"], **metadata}}


def _with_held_replicas(stamped: Json, live: Json) -> Json:
    """Write the live number of pods where a scaler decides it and has not written it yet.

    Until somebody else is its owner the API server would reset a number that we leave out to 1.
    """
    if kind_of(stamped) != DEPLOYMENT or "replicas" in stamped["spec"] or live["metadata"].get("replicasOwner"):
        return stamped
    if "replicas" not in live.get("spec", {}):
        return stamped
    return {**stamped, "spec": {**stamped["spec"], "replicas": live["spec"]["replicas"]}}


def _remember_altered(memory: Memory, label: str, stored: Json, stamped: Json) -> tuple[Difference, ...]:
    """Keep what the API server's answer to our own apply has otherwise than it was sent: nobody else was in between."""
    left = differences(stored, stamped)
    if left:
        memory.altered[label] = left
    else:
        memory.altered.pop(label, None)
    return left


def child_label(kind: Kind, name: str) -> str:
    """Call a child as `memory.conflicts` and `memory.altered` do."""
    return f"{kind.name}/{name}"
