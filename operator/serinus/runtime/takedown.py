"""Takes down revisions at which nothing arrives and nothing is in flight any more, or not within their drainSeconds.

A gRPC stream ends with its pod and not before. A server that has been told to stop answers each message on it with an
error until the grace of the pod is over. So pods with open streams get a short one: their callers have answers, then a
reset, and call again. It is asked for with the first deletion, since a kubelet does not shorten one that is under way;
so what is open is known before anything goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import structlog

from serinus.api.parsing import ModelDeploymentView
from serinus.core.analysis.promql import Arm
from serinus.core.model.drain import Drain
from serinus.core.model.errors import Forbidden
from serinus.core.model.identity import REVISION_LABEL, Key, Owner
from serinus.core.model.kinds import POD, Json
from serinus.core.model.snapshot import Snapshot
from serinus.core.plan.pods import drain_seconds
from serinus.core.plan.revisions import revision_name
from serinus.core.rollout.decision import Decision, Note
from serinus.core.rollout.draining import look_seconds
from serinus.core.rollout.served import may_have_served
from serinus.runtime.children import Children
from serinus.runtime.drains import Draining, Left
from serinus.runtime.memory import Memory
from serinus.runtime.observe import Observer
from serinus.runtime.ports import Cache, Cluster

log = structlog.get_logger("serinus.takedown")

SHORT_GRACE_SECONDS = 1
"""None at all would take the pod out of the API server while it still runs."""

Tell = Callable[[ModelDeploymentView, Note], Awaitable[None]]


class Takedown:
    """The only one who ends pods."""

    def __init__(self, cluster: Cluster, cache: Cache, children: Children, observer: Observer, tell: Tell) -> None:
        self._cluster = cluster
        self._cache = cache
        self._children = children
        self._observer = observer
        self._tell = tell

    async def retire(self, owner: Owner, seen: Snapshot, decision: Decision, memory: Memory) -> None:
        """Delete what ran the revisions that are needed no more, and ask what arrives at those that will be."""
        kept = decision.draining | decision.retired
        memory.drains = {name: known for name, known in memory.drains.items() if name in kept}
        for name in sorted(decision.draining - decision.retired):
            self._listen(seen, name, memory)
        for name in sorted(decision.retired):
            drain = seen.drains.get(name)
            if drain is not None and drain.in_flight:
                await self._say_open(seen, name, drain)
            # One that never had traffic has nobody to say goodbye to.
            soon = drain.streams if drain is not None else not may_have_served(seen, name)
            await self._take_down(owner, name, soon=soon)

    async def _take_down(self, owner: Owner, name: str, *, soon: bool) -> None:
        """Delete what ran a revision; pods that are to go soon before the garbage collector gives them their grace.

        What is made in their place for that moment has not begun when its Deployment goes.
        """
        pods = [pod for revision, pod in _by_revision(self._cache, owner) if revision == name] if soon else []
        try:
            await asyncio.gather(*(self._end(owner, pod) for pod in pods))
        except Forbidden as error:
            # They go by themselves, later: no reason to hold anything up.
            log.warning("pods keep their whole grace", revision=name, why=str(error))
        await self._children.retire(owner, name)

    async def _end(self, owner: Owner, pod: Json) -> None:
        metadata = pod["metadata"]
        await self._cluster.delete(
            POD, owner.namespace, metadata["name"], uid=metadata["uid"], grace_seconds=SHORT_GRACE_SECONDS
        )

    def _listen(self, seen: Snapshot, name: str, memory: Memory) -> None:
        """Ask what arrives at a revision, beside the pass, which has no time."""
        view, revision, source = seen.deployment, seen.revision(name), _source(seen)
        drains, now = self._observer.sampler.drains, self._observer.clock.now()
        known = memory.drains.get(name) or memory.drains.setdefault(name, drains.begin(source))
        if revision is None or not known.is_due(now, look_seconds(seen)):
            return
        left = Left(
            Arm(view.namespace, view.name, revision.hash, name),
            written=seen.unrouted_since.get(name, now),
            source=source,
            every=look_seconds(seen),
            lasts=drain_seconds(revision.template),
        )
        known.asking = True
        self._observer.probes.beside(self._hear(Key(view.namespace, view.name), known, left))

    async def _hear(self, key: Key, known: Draining, left: Left) -> None:
        try:
            await self._observer.sampler.drains.ask(known, left)
        finally:
            self._observer.probes.wake(key)

    async def _say_open(self, seen: Snapshot, name: str, drain: Drain) -> None:
        revision, plan = seen.revision(name), seen.newest.plan if seen.newest else None
        if revision is not None:
            await self._tell(seen.deployment, Note("StillOpen", _open(revision.version, drain), rollout=plan))


def _open(version: str, found: Drain) -> str:
    text = f"version {version} is taken down with {found.in_flight:.0f} requests or streams still open"
    if not found.streams:
        return f"{text}: the drain delay is over"
    return f"{text}: the drain delay is over, and its gRPC streams are reset (callers see INTERNAL and may call again)"


def _source(seen: Snapshot) -> str | None:
    """Name the source that counts for the newest rollout, where it names one."""
    metrics = seen.newest.plan.policy.analysis.metrics if seen.newest else ()
    return next((metric.source for metric in metrics if metric.preset is not None and metric.source), None)


def _by_revision(cache: Cache, owner: Owner) -> Iterator[tuple[str, Json]]:
    for pod in cache.owned(POD, owner.namespace, owner.name).values():
        hashed = (pod["metadata"].get("labels") or {}).get(REVISION_LABEL)
        if hashed:
            yield revision_name(owner.name, hashed), pod
