"""Diagnoses why a revision's pods are not ready. Events are listed outside the passes: no verdict waits for them.

Events are neither watched nor cached; a pass uses the result of the last look-up.
"""

from __future__ import annotations

from collections.abc import Sequence

from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import Key
from serinus.core.model.kinds import EVENT, Json
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.diagnosis import diagnose
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Clock, Cluster
from serinus.runtime.probes import Probes

EVENTS_SECONDS = 3.0
"""How old the Events may be."""
CALM_SECONDS = 10.0
"""How soon to look again when they said nothing new: no watch tells of an Event, and the pod may stay as it is."""


class Diagnoses:
    """Diagnoses with known Events, and lists them again when they are old."""

    def __init__(self, cluster: Cluster, clock: Clock, probes: Probes) -> None:
        self._cluster = cluster
        self._clock = clock
        self._probes = probes

    def look(
        self,
        key: Key,
        memory: Memory,
        revision: Revision,
        *,
        pods: Sequence[Json],
        waiting: Json | None,
        runs: Json | None,
    ) -> Obstacle | None:
        """Say why pods are not ready; `waiting` is the first that is not, `runs` their Deployment."""
        if waiting is not None:
            self._ask(key, memory, revision.name, waiting)
        _, events = memory.events.get(revision.name, (0.0, []))
        diagnosis = diagnose(pods, runs, events, revision=revision)
        return Obstacle(str(diagnosis.reason), diagnosis.message) if diagnosis else None

    def _ask(self, key: Key, memory: Memory, name: str, pod: Json) -> None:
        at, _ = memory.events.get(name, (0.0, []))
        if name in memory.listing or self._clock.now() - at < EVENTS_SECONDS:
            return
        memory.listing.add(name)
        self._probes.beside(self._list(key, memory, name, pod))

    async def _list(self, key: Key, memory: Memory, name: str, pod: Json) -> None:
        if name not in memory.events:
            # Most pods become ready, and nobody need ask why they did not.
            await self._clock.sleep(EVENTS_SECONDS)
        if name not in memory.listing:
            return
        _, before = memory.events.get(name, (0.0, []))
        try:
            events = await self._events(pod)
        except ClusterError:
            events = before
        finally:
            memory.listing.discard(name)
        memory.events[name] = (self._clock.now(), events)
        if events != before:
            self._probes.wake(key)
        await self._clock.sleep(EVENTS_SECONDS if events != before else CALM_SECONDS)
        self._probes.wake(key)

    async def _events(self, pod: Json) -> list[Json]:
        metadata = pod["metadata"]
        selector = f"involvedObject.uid={metadata['uid']}"
        return await self._cluster.list(EVENT, metadata["namespace"], field_selector=selector)
