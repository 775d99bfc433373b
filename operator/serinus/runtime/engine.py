"""Runs workers over one queue of ModelDeployments: a change of anything that belongs to one wakes its key.

Only what this process leads is looked at; each pass runs under the tenure of its shard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

import structlog

from serinus.core.model.errors import ClusterError, Conflict, Gone
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import ROLLOUT, Json, Kind
from serinus.runtime.leading import Leading, under
from serinus.runtime.ports import Cache, Clock
from serinus.runtime.queue import WorkQueue
from serinus.runtime.reconcile import PassResult

log = structlog.get_logger("serinus.engine")

CONFLICT_SECONDS = 0.05
"""How soon to look again after a 409, with what was read anew; after each further one it is twice as long."""
LONGEST_CONFLICT_SECONDS = 1.0
RESYNC_SECONDS = 300.0
"""A pass that nothing woke: heals what an event that was lost would have healed."""


class Passes(Protocol):
    """One pass over one ModelDeployment: the reconciler."""

    async def reconcile(self, key: Key) -> PassResult | None: ...

    def forget(self, key: Key) -> None:
        """Keep nothing of it: somebody else decides it now, or nobody."""


class Engine:
    """Runs passes: one at a time for a key, several keys at once, live rollouts first."""

    def __init__(
        self,
        reconciler: Passes,
        cache: Cache,
        clock: Clock,
        *,
        reread: Callable[[Key], Awaitable[None]],
        monotonic: Callable[[], float],
        workers: int = 8,
        leading: Leading | None = None,
    ) -> None:
        self._leading = leading or Leading.everything()
        self._under_way: dict[Key, asyncio.Event] = {}
        self._reconciler = reconciler
        self._reread = reread
        self._clock = clock
        self._monotonic = monotonic
        self._workers = workers
        self._live: set[Key] = set()
        self._looked_at: set[Key] = set()
        self._shown: dict[Key, Key] = {}
        """By Rollout that sends anybody to its canary: whose it is."""
        self._conflicts: dict[Key, int] = {}
        self._turn = asyncio.Lock()
        """One pass begins in a turn of the loop: between two, looks and answers have theirs."""
        self.queue: WorkQueue[Key] = WorkQueue(monotonic, is_urgent=self._live.__contains__)
        self.on_pass: Callable[[float, Exception | None], None] = lambda seconds, failure: None
        cache.follow(ROLLOUT, self._rolled)

    def wake(self, key: Key, *, pressing: bool = False) -> None:
        """Look at a ModelDeployment soon, if it is ours to decide; what is pressing goes before all that is live."""
        if self._leading.of(key) is not None:
            self.queue.add(key, pressing=pressing)

    def changed(self, kind: Kind, namespace: str, model_deployment: str | None, manifest: Json | None) -> None:
        """Take a change from a watch: wake the owner. Whom a foreign route concerns is for `Claims` to say."""
        if model_deployment is not None:
            self.wake(Key(namespace, model_deployment))

    async def run(self) -> None:
        """Work until cancelled."""
        self.find_live()
        async with asyncio.TaskGroup() as group:
            for number in range(self._workers):
                group.create_task(self._work(), name=f"worker-{number}")

    def find_live(self) -> None:
        """Put in front what had weight when the last process ended: its revert must not wait for all that is idle."""
        for key in self.shown():
            self.put_in_front(key)

    def put_in_front(self, key: Key) -> None:
        """Look at a ModelDeployment before those that are idle, if it is ours to decide."""
        if self._leading.of(key) is not None:
            self._live.add(key)
            self.wake(key)

    def remembered(self) -> set[Key]:
        """Name what a pass has looked at, or is to, whether or not it is there any more."""
        return self._looked_at | self.queue.known()

    def shown(self) -> set[Key]:
        """Name the ModelDeployments with a Rollout that sends somebody to its canary, whoever leads them."""
        return set(self._shown.values())

    def _rolled(self, namespace: str, name: str, rollout: Json | None) -> None:
        """Follow which Rollouts anybody is sent to."""
        owner = ((rollout or {}).get("metadata", {}).get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL)
        if rollout is not None and owner is not None and _is_shown(rollout.get("status") or {}):
            self._shown[Key(namespace, name)] = Key(namespace, owner)
        else:
            self._shown.pop(Key(namespace, name), None)

    async def finished(self, shard: int) -> None:
        """Wait until no pass over any ModelDeployment of a shard is under way."""
        while ends := [one for key, one in self._under_way.items() if self._leading.shard_of(key) == shard]:
            await ends[0].wait()

    def drop(self, keys: Iterable[Key]) -> None:
        """Keep nothing of what somebody else decides now."""
        for key in keys:
            self._live.discard(key)
            self._looked_at.discard(key)
            self._conflicts.pop(key, None)
            self.queue.forget(key)
            self._reconciler.forget(key)

    async def _work(self) -> None:
        while True:
            async with self._turn:
                # A pass over an idle one waits for nobody: without this, thousands would be one turn of the loop.
                await asyncio.sleep(0)
                key = await self.queue.get()
            self.queue.done(key, backoff=not await self.run_pass(key))

    async def run_pass(self, key: Key) -> bool:
        """Run one pass; tell whether it went well. Nothing that it raises ends the worker."""
        tenure = self._leading.of(key)
        if tenure is None:
            return True
        ended = self._under_way[key] = asyncio.Event()
        self._looked_at.add(key)
        try:
            with under(tenure):
                done = await self._pass(key)
        finally:
            del self._under_way[key]
            ended.set()
        if self._leading.of(key) is tenure:
            return done
        # It was taken from us meanwhile, and the pass may have remembered something since then.
        self.drop((key,))
        self.wake(key)
        return True

    async def _pass(self, key: Key) -> bool:
        started = self._monotonic()
        failure: Exception | None = None
        outcome = None
        try:
            outcome = await self._reconciler.reconcile(key)
        except Exception as error:
            failure = error
        self.on_pass(self._monotonic() - started, failure)
        if isinstance(failure, Conflict | Gone):
            failure = await self._read_anew(key, failure)
            if failure is None:
                return True
        return self._failed(key, failure) if failure is not None else self._scheduled(key, outcome)

    async def _read_anew(self, key: Key, why: Exception) -> Exception | None:
        """Look again soon at what is stored; give the failure when that cannot be read."""
        log.debug("looks again", key=str(key), why=str(why))
        try:
            await self._reread(key)
        except Exception as error:
            return error
        before = self._conflicts.get(key, 0)
        self._conflicts[key] = before + 1
        self.queue.retry_after(key, min(LONGEST_CONFLICT_SECONDS, CONFLICT_SECONDS * 2 ** min(before, 16)))
        return None

    def _failed(self, key: Key, error: Exception) -> bool:
        """Say what went wrong; the key comes again by itself, each time later."""
        if isinstance(error, ClusterError):
            log.warning("the API server does not take it", key=str(key), kind=type(error).__name__, why=str(error))
        else:
            log.error("a pass failed", key=str(key), exc_info=error)
        return False

    def _scheduled(self, key: Key, outcome: PassResult | None) -> bool:
        """Say when to look again."""
        self._conflicts.pop(key, None)
        if outcome is None:
            self._live.discard(key)
            self._looked_at.discard(key)
            self.queue.forget(key)
            return True
        (self._live.add if outcome.live else self._live.discard)(key)
        rest = RESYNC_SECONDS if outcome.wake_at is None else max(0.01, outcome.wake_at - self._clock.now())
        self.queue.add_after(key, min(rest, RESYNC_SECONDS))
        if outcome.put_off:
            self.queue.add(key)
        return True


def _is_shown(status: Json) -> bool:
    """Whether anybody is sent to the canary, by its share or by a match."""
    weight = status.get("weight")
    shown = (isinstance(weight, int) and weight > 0) or bool(status.get("matches"))
    return shown and status.get("settledAt") is None
