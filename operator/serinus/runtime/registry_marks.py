"""Tells a model registry what became of its versions, beside the passes: no revert and no promotion waits for it.

What is to be told is worked out by each pass from what is on record, and each mark that was told is recorded on its
Rollout. So a registry that is down, or a process that is killed, delays a mark and loses none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from serinus.core.model.errors import ClusterError, Conflict, Gone, NotRegistered, RegistryError
from serinus.core.model.identity import Key
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.marks import DueMark, marks_of, told_of
from serinus.runtime.beside import Beside
from serinus.runtime.leading import seconds_to_write
from serinus.runtime.ports import Cache, Clock, Cluster, ModelRegistry, Recorder

log = structlog.get_logger("serinus.registry")

FIRST_PAUSE_SECONDS: Final = 5.0
LONGEST_PAUSE_SECONDS: Final = 600.0
AT_ONCE: Final = 4
"""Marks under way; the registry serves people, too."""


class RegistryMarks:
    """One task for each ModelDeployment that has something to tell, until it is told.

    `server` is the registry's address, `may_mark` says whether a namespace's rollouts mark a registered model.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        server: str,
        *,
        cluster: Cluster,
        cache: Cache,
        clock: Clock,
        recorder: Recorder,
        may_mark: Callable[[str, str], bool],
    ) -> None:
        self._registry = registry
        self._server = server
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._recorder = recorder
        self._may_mark = may_mark
        self._due: dict[Key, tuple[DueMark, ...]] = {}
        self._told: set[tuple[str, str]] = set()
        """What the registry knows, and no Rollout yet."""
        self._resting: dict[Key, frozenset[tuple[str, str]]] = {}
        """What was tried in vain before a pause: a mark that is new ends it."""
        self._beside = Beside()
        self._free = asyncio.Semaphore(AT_ONCE)

    def consider(self, seen: Snapshot) -> None:
        """Take in what is due now, in place of what was due before, and begin to tell it."""
        key = Key(seen.deployment.namespace, seen.deployment.name)
        due = tuple(one for one in marks_of(seen, self._server) if self._is_due(key, one))
        if due:
            self._due[key] = due
        else:
            self._due.pop(key, None)
        if key in self._resting and self._has_others(key, self._resting[key]):
            self._rest_no_longer(key)
        if due and str(key) not in self._beside:
            self._beside.begin(str(key), self._tell_all(key))

    def _is_due(self, key: Key, one: DueMark) -> bool:
        live = self._cache.get(ROLLOUT, key.namespace, one.rollout)
        told = live is None or told_of(live) == one.marking.mark
        return not told and self._may_mark(key.namespace, one.marking.version.model)

    def forget(self, key: Key) -> None:
        """Tell nothing more of a ModelDeployment."""
        self._due.pop(key, None)
        self._rest_no_longer(key)

    def _rest_no_longer(self, key: Key) -> None:
        self._resting.pop(key, None)
        self._beside.forget(str(key))

    async def ended(self) -> None:
        """Wait until nothing is written any more of what was forgotten."""
        await self._beside.ended()

    async def close(self) -> None:
        """End all telling; the next process goes on with what is not recorded."""
        await self._beside.close()

    async def _tell_all(self, key: Key) -> None:
        """Tell what is due until nothing is: all of it in each round, and longer pauses while none of it is told."""
        pause = FIRST_PAUSE_SECONDS
        while due := self._due.get(key):
            told = [await self._told_now(key, one) for one in due if self._still_due(key, one)]
            tried = frozenset(one.named for one in due)
            if any(told):
                pause = FIRST_PAUSE_SECONDS
            if self._has_others(key, tried) or not self._due.get(key):
                continue
            self._resting[key] = tried
            await self._clock.sleep(pause)
            self._resting.pop(key, None)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._due.pop(key, None)

    def _still_due(self, key: Key, one: DueMark) -> bool:
        return any(other.named == one.named for other in self._due.get(key, ()))

    def _has_others(self, key: Key, tried: frozenset[tuple[str, str]]) -> bool:
        """Whether something is due that was not tried in the last round."""
        return any(one.named not in tried for one in self._due.get(key, ()))

    async def _told_now(self, key: Key, one: DueMark) -> bool:
        """Tell one mark and record that; a refusal is said, and holds up no other mark.

        A registry knows nothing of leases: what is told after ours has ended may undo what the next leader has told.
        """
        try:
            async with self._free:
                if seconds_to_write() <= 0:
                    return False
                await self._tell(key, one)
                await self._record(key, one)
        except RegistryError as error:
            await self._say(key, one, f"{one.marking.version} is not marked: {error}", failed=True)
            return False
        except ClusterError as error:
            log.warning("a mark is not recorded", rollout=one.rollout, why=str(error))
            return False
        self._drop(key, one)
        return True

    async def _tell(self, key: Key, due: DueMark) -> None:
        """Tell one mark, unless only its record is missing; what the registry does not know counts as told."""
        if due.named in self._told:
            return
        try:
            await self._registry.tell(due.marking)
        except NotRegistered as error:
            await self._say(key, due, f"{due.marking.version} is not marked, nor will be: {error}", failed=True)
        else:
            await self._say(key, due, f"{due.marking.version} is marked {due.marking.mark}", failed=False)
        self._told.add(due.named)

    async def _record(self, key: Key, due: DueMark) -> None:
        """Write down on its Rollout what was told."""
        try:
            self._cache.put(await self._cluster.apply(due.recorded(key.namespace), force=True))
        except (Conflict, Gone):
            log.info("the Rollout of a mark is gone", rollout=due.rollout)
        self._told.discard(due.named)

    def _drop(self, key: Key, told: DueMark) -> None:
        """Leave out what was told; a pass may have brought other marks meanwhile."""
        self._due[key] = tuple(one for one in self._due.get(key, ()) if one.named != told.named)

    async def _say(self, key: Key, due: DueMark, words: str, *, failed: bool) -> None:
        reason = "RegistryNotMarked" if failed else "RegistryMarked"
        say = log.warning if failed else log.info
        say(reason, namespace=key.namespace, name=key.name, rollout=due.rollout, message=words)
        await self._recorder.record(_about(key, due), reason=reason, message=words, warning=failed)


def _about(key: Key, due: DueMark) -> Json:
    return {
        "apiVersion": ROLLOUT.api_version,
        "kind": ROLLOUT.name,
        "namespace": key.namespace,
        "name": due.rollout,
        "uid": due.uid,
    }
