"""The workers' engine: what a failed pass leads to, who is looked at first."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Any

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.errors import Conflict, Gone, Unavailable
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.runtime.engine import Engine
from serinus.runtime.reconcile import PassResult
from tests.support.world.clock import VirtualClock

KEY = Key("ml", "fraud")


@dataclass
class Bench:
    """An engine over passes that end as the test says."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    cache: ObjectCache = field(default_factory=ObjectCache)
    failures: list[Exception] = field(default_factory=list)
    looked: list[Key] = field(default_factory=list)
    all_looked: asyncio.Event = field(default_factory=asyncio.Event)
    read: list[Key] = field(default_factory=list)
    unreadable: Exception | None = None

    def __post_init__(self) -> None:
        self.engine = Engine(self, self.cache, self.clock, reread=self.reread, monotonic=self.clock.monotonic)

    async def reconcile(self, key: Key) -> PassResult | None:
        self.looked.append(key)
        if len(self.looked) == 3:
            self.all_looked.set()
        if self.failures:
            raise self.failures.pop(0)
        return PassResult(None, live=False)

    def forget(self, key: Key) -> None:
        self.looked.clear()

    async def reread(self, key: Key) -> None:
        self.read.append(key)
        if self.unreadable is not None:
            raise self.unreadable

    async def look(self) -> tuple[bool, float | None]:
        """Run one pass; tell whether it went well, and when the key is due again."""
        done = await self.engine.run_pass(KEY)
        due = self.engine.queue.due_in()
        self.engine.queue.forget(KEY)
        self.engine.queue._later.clear()
        return done, due


@pytest.mark.parametrize("refusal", [Conflict("old"), Gone("not there")])
async def test_what_was_refused_as_old_is_read_anew(refusal: Exception) -> None:
    """Once a refusal, before the key comes again."""
    bench = Bench(failures=[refusal])
    assert await bench.look() == (True, pytest.approx(0.05))
    assert bench.read == [KEY]


async def test_repeated_conflicts_are_further_and_further_apart() -> None:
    """Up to a second; a pass that goes well ends that."""
    bench = Bench(failures=[Conflict("old")] * 7)
    waits = [(await bench.look())[1] for _ in range(7)]
    assert waits == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    await bench.look()
    bench.failures.append(Conflict("old"))
    assert (await bench.look())[1] == pytest.approx(0.05)


async def test_what_cannot_be_read_anew_is_a_failed_pass() -> None:
    """The key backs off, as while the API server is down."""
    bench = Bench(failures=[Conflict("old")], unreadable=Unavailable("down"))
    assert await bench.look() == (False, None)


def rollout(version: int, owner: str, **status: Any) -> Json:
    labels = {MODEL_DEPLOYMENT_LABEL: owner}
    metadata = {"namespace": "ml", "name": f"{owner}-0", "labels": labels, "resourceVersion": str(version)}
    return {"apiVersion": ROLLOUT.api_version, "kind": "Rollout", "metadata": metadata, "status": status}


@pytest.mark.parametrize("shown", [{"weight": 10}, {"weight": 0, "matches": [{}]}], ids=["weight", "cohort"])
async def test_a_new_process_looks_first_at_what_is_shown_to_anybody(shown: Json) -> None:
    """Though it was told of it last, behind all that is idle; what has settled at 100 % is idle, too."""
    bench = Bench()
    bench.cache.store(rollout(1, "done", weight=100, settledAt="2024-01-01T00:00:00Z"))
    bench.cache.store(rollout(2, "waits", weight=0))
    bench.cache.store(rollout(3, "live", **shown))
    for name in ("done", "waits", "live"):
        bench.engine.wake(Key("ml", name))
    running = asyncio.create_task(bench.engine.run())
    await asyncio.wait_for(bench.all_looked.wait(), 5)
    running.cancel()
    assert [key.name for key in bench.looked] == ["live", "done", "waits"]


async def test_between_two_passes_others_have_their_turn() -> None:
    """Looks and answers of live rollouts do not wait until all that is idle was passed over."""
    bench = Bench()
    for number in range(30):
        bench.engine.wake(Key("ml", f"idle-{number}"))
    running = asyncio.create_task(bench.engine.run())
    seen = [0]
    while len(bench.looked) < 30:
        await asyncio.sleep(0)
        seen.append(len(bench.looked))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    at_once = [later - before for before, later in itertools.pairwise(seen)]
    assert max(at_once) == 1


@pytest.mark.parametrize("failure", [Conflict("old"), Unavailable("503")], ids=["409", "503"])
async def test_a_revert_that_was_refused_goes_first_again(failure: Exception) -> None:
    """What is live and was woken meanwhile does not come before its second try."""
    bench = Bench(failures=[failure])
    others = [Key("ml", f"live-{number}") for number in range(3)]
    for key in (KEY, *others):
        bench.engine.put_in_front(key)
    bench.engine.wake(KEY, pressing=True)
    queue = bench.engine.queue
    assert await queue.get() == KEY
    queue.done(KEY, backoff=not await bench.engine.run_pass(KEY))
    bench.clock.move(1.0)
    assert queue.take() == KEY
