"""Takes down revisions whose drain delay is over, and lets their pods go soon where a long goodbye helps nobody.

A gRPC stream ends with its pod and not before. Once Triton has been told to stop, it answers each message on it with an
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
from serinus.core.model.errors import Forbidden
from serinus.core.model.identity import REVISION_LABEL, Key, Owner
from serinus.core.model.kinds import POD, Json
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Snapshot
from serinus.core.plan.revisions import revision_name
from serinus.core.rollout.decision import Decision, Note
from serinus.runtime.children import Children
from serinus.runtime.inflight import NOTHING_OPEN, StillOpen
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
        """Delete what ran the revisions that are needed no more, once it is known what is open at them."""
        memory.still_open = {name: known for name, known in memory.still_open.items() if name in decision.retired}
        served = _served(seen)
        for name in sorted(decision.retired):
            revision = seen.revision(name)
            if name not in served or revision is None:
                # There is nobody to say goodbye to.
                await self._take_down(owner, name, soon=True)
            elif (known := self._known(seen, revision, memory)) is not None:
                await self._take_down(owner, name, soon=known.streams)

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

    def _known(self, seen: Snapshot, revision: Revision, memory: Memory) -> StillOpen | None:
        """Tell what is open at a revision; None while it is being asked, beside the pass, which has no time."""
        if revision.name not in memory.still_open:
            memory.still_open[revision.name] = None
            self._observer.probes.beside(self._ask(seen, revision, memory))
        return memory.still_open[revision.name]

    async def _ask(self, seen: Snapshot, revision: Revision, memory: Memory) -> None:
        view, found = seen.deployment, NOTHING_OPEN
        try:
            arm = Arm(view.namespace, view.name, revision.hash, revision.name)
            found = await self._observer.sampler.silences.still_open(arm, _source(seen))
        finally:
            memory.still_open[revision.name] = found
            self._observer.probes.wake(Key(view.namespace, view.name))
        if found.calls:
            plan = seen.newest.plan if seen.newest else None
            await self._tell(view, Note("StillOpen", _open(revision.version, found), rollout=plan))


def _open(version: str, found: StillOpen) -> str:
    text = f"version {version} is taken down with {found.calls:.0f} requests or streams still open"
    if not found.streams:
        return f"{text}: the drain delay is over"
    return f"{text}: the drain delay is over, and its gRPC streams are reset (callers see INTERNAL and may call again)"


def _source(seen: Snapshot) -> str | None:
    """Name the source that counts for the newest rollout, where it names one."""
    metrics = seen.newest.plan.policy.analysis.metrics if seen.newest else ()
    return next((metric.source for metric in metrics if metric.preset is not None and metric.source), None)


def _served(seen: Snapshot) -> set[str]:
    """Name the revisions that may have had traffic."""
    return {
        name
        for rollout in seen.rollouts
        if rollout.state.weight_changed_at is not None
        for name in (rollout.plan.canary, rollout.plan.stable or "")
    }


def _by_revision(cache: Cache, owner: Owner) -> Iterator[tuple[str, Json]]:
    for pod in cache.owned(POD, owner.namespace, owner.name).values():
        hashed = (pod["metadata"].get("labels") or {}).get(REVISION_LABEL)
        if hashed:
            yield revision_name(owner.name, hashed), pod
