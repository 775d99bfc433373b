"""The informer, against streams that break in every way we know of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.informer import ABSENT_DELAY, FIRST_DELAY, LONGEST_DELAY, Informer, Informers
from serinus.adapters.kubernetes.watch import Watched, watched_within
from serinus.core.model.errors import Unavailable
from serinus.core.model.kinds import SCALED_OBJECT, SERVICE, Json, Kind
from tests.support.hand_clock import HandClock
from tests.support.scripted_server import Answer, ScriptedServer, answers, cuts, streams
from tests.support.world.platform import PROVIDERS

SERVICES = Watched(SERVICE, "serinus.dev/modeldeployment")


def service(name: str, version: int) -> Json:
    """Make a Service of the ModelDeployment `fraud`."""
    labels = {"serinus.dev/modeldeployment": "fraud"}
    return {"metadata": {"name": name, "namespace": "ml", "resourceVersion": str(version), "labels": labels}}


def listed(version: int, *items: Json, token: str = "") -> Answer:
    return answers({"metadata": {"resourceVersion": str(version), "continue": token}, "items": list(items)})


def event(kind: str, item: Json) -> Json:
    return {"type": kind, "object": {"apiVersion": "v1", "kind": "Service", **item}}


def bookmark(version: int) -> Json:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}


def last(*events: Json) -> Answer:
    """Stream the last events of a script."""
    return streams(*events, event("ADDED", service("last", 10_000)))


EXPIRED = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}}
BROKEN = {"type": "ERROR", "object": {"kind": "Status", "code": 500, "message": "etcd event without PrevKv"}}


class World:
    """An informer, its cache, and what the cache told."""

    def __init__(self, connection: Connection, clock: HandClock) -> None:
        self.told: list[tuple[str, bool]] = []
        self.finished = asyncio.Event()
        self.cache = ObjectCache(self._tell)
        self.informer = Informer(connection, SERVICES, self.cache, clock)

    def _tell(self, kind: Kind, namespace: str, model_deployment: str | None, manifest: Json | None) -> None:
        if manifest is not None and manifest["metadata"]["name"] == "last":
            self.finished.set()
            return
        self.told.append((str(model_deployment), manifest is not None))

    def versions(self) -> dict[str, str]:
        found = {name: each["metadata"]["resourceVersion"] for (_, name), each in self.cache.all(SERVICE).items()}
        found.pop("last")
        return found

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Run until the last event of the script was taken in."""
        task = asyncio.create_task(self.informer.run())
        try:
            await asyncio.wait_for(self.finished.wait(), 5)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def world(connection: Connection, clock: HandClock) -> World:
    return World(connection, clock)


async def test_lists_in_pages_and_then_watches_from_there(world: World, server: ScriptedServer) -> None:
    """One list, one watch, both with the selector; synced after the last page."""
    server.will(
        listed(10, service("a", 1), token="more"),
        listed(10, service("b", 2)),
        last(event("ADDED", service("c", 11))),
    )
    async with world.following():
        assert world.versions() == {"a": "1", "b": "2", "c": "11"}
        assert world.informer.synced.is_set()
    assert [each.query.get("continue") for each in server.seen] == [None, "more", None]
    assert {each.query["labelSelector"] for each in server.seen} == {"serinus.dev/modeldeployment"}
    assert server.seen[2].query["resourceVersion"] == "10"
    assert server.seen[2].query["allowWatchBookmarks"] == "true"


async def test_resumes_after_a_cut_stream_where_it_was(world: World, server: ScriptedServer) -> None:
    """A dropped connection costs no list: bookmarks and events move the place to resume from."""
    server.will(
        listed(10),
        streams(event("ADDED", service("a", 11)), bookmark(20), then="cut"),
        last(event("MODIFIED", service("a", 21))),
    )
    async with world.following():
        assert world.versions() == {"a": "21"}
    assert [each.query.get("resourceVersion") for each in server.seen] == [None, "10", "20"]


async def test_half_an_event_is_dropped_with_its_stream(world: World, server: ScriptedServer) -> None:
    """A line without its end was not received."""
    server.will(listed(10), streams('{"type": "ADDED", "obj', then="end"), last(event("ADDED", service("a", 11))))
    async with world.following():
        assert world.versions() == {"a": "11"}


@pytest.mark.parametrize(
    "broken",
    [streams(EXPIRED), answers({"message": "too old"}, 410), streams(BROKEN)],
    ids=["410 in the stream", "410 as the status", "500 in the stream"],
)
async def test_a_lost_place_is_found_by_a_list_that_tells_only_what_changed(
    world: World, server: ScriptedServer, broken: Answer
) -> None:
    """Unchanged objects wake nobody, and what was deleted in the gap is told as a deletion."""
    server.will(
        listed(10, service("same", 1), service("changed", 2), service("deleted", 3)),
        broken,
        listed(20, service("same", 1), service("changed", 15)),
        last(),
    )
    async with world.following():
        assert world.versions() == {"same": "1", "changed": "15"}
    assert world.told == [("fraud", True)] * 3 + [("fraud", True), ("fraud", False)]


async def test_a_deletion_is_told_with_its_owner(world: World, server: ScriptedServer) -> None:
    """The owner is woken to bring back what was deleted by hand."""
    server.will(listed(10, service("a", 1)), last(event("DELETED", service("a", 11))))
    async with world.following():
        assert world.versions() == {}
    assert world.told == [("fraud", True), ("fraud", False)]


async def test_refusals_are_waited_out_longer_each_time(world: World, server: ScriptedServer, clock: HandClock) -> None:
    """An API server that is down is not hammered, and the process lives on."""
    server.will(*[answers({"message": "starting"}, 503)] * 8, listed(10), last())
    async with world.following():
        assert world.informer.synced.is_set()
    assert clock.slept == sorted(clock.slept)
    assert clock.slept[-1] == LONGEST_DELAY
    assert world.informer.restarts == 8


async def test_a_list_that_always_expires_is_not_repeated_without_pause(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """410 after 410 backs off, too."""
    server.will(*[listed(10), streams(EXPIRED)] * 4, listed(10), last())
    async with world.following():
        pass
    assert clock.slept[0] == 0
    assert clock.slept[1:] == [1.0, 2.0, 4.0]


async def test_an_absent_kind_is_looked_for_slowly_and_reported(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """Istio's CRDs may be installed after us; until then there are no objects of that kind, and the rest goes on."""
    absent, not_ready = answers("404 page not found", 404), answers("[-]poststarthook/crd-informer-synced failed", 500)
    server.will(absent, not_ready, *[absent] * 4, listed(10), last())
    seen_absent = asyncio.Event()
    world.informer.synced = seen_absent
    task = asyncio.create_task(world.informer.run())
    await asyncio.wait_for(seen_absent.wait(), 5)
    assert world.informer.absent
    await asyncio.wait_for(world.finished.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert not world.informer.absent
    assert clock.slept == [0.5, 1.0, 2.0, ABSENT_DELAY, ABSENT_DELAY]


@pytest.mark.parametrize("status", [404, 403], ids=["the cluster has no KEDA", "the right is still to come"])
async def test_an_optional_kind_is_absent_at_the_first_look(
    connection: Connection, server: ScriptedServer, clock: HandClock, status: int
) -> None:
    """Nobody waits for it, nothing is counted, and its silence alarms nobody."""
    server.will(answers({"message": "no"}, status))
    informer = Informer(connection, Watched(SCALED_OBJECT, optional=True), ObjectCache(), clock)
    clock.move(1000)
    task = asyncio.create_task(informer.run())
    await asyncio.wait_for(informer.synced.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert informer.absent
    assert (informer.restarts, informer.silence() < 1000) == (0, True)


async def test_a_kind_is_not_believed_to_be_absent_at_the_first_look(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """An API server that has just started does not know its CRDs yet: deciding without routes would be blind."""
    absent, not_ready = answers("404 page not found", 404), answers("the server is starting", 500)
    server.will(absent, not_ready, absent, listed(10, service("a", 1)), last())
    async with world.following():
        assert not world.informer.absent
        assert world.versions() == {"a": "1"}
    assert clock.slept == [0.5, 1.0]


async def test_an_api_server_that_is_ready_is_believed_at_the_second_look(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """The first answer may be from before that; a start waits for nothing else."""
    server.will(answers("404 page not found", 404), answers("ok"), *[answers("404 page not found", 404)] * 2)
    task = asyncio.create_task(world.informer.run())
    await asyncio.wait_for(world.informer.synced.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert world.informer.absent
    assert [seen.path for seen in server.seen][:3] == ["/api/v1/services", "/readyz", "/api/v1/services"]
    assert clock.slept[0] == ABSENT_DELAY


async def test_a_kind_that_is_known_once_the_server_is_ready_is_listed_at_once(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """What it said while it started is not held against it."""
    server.will(answers("404 page not found", 404), answers("ok"), listed(10, service("a", 1)), last())
    async with world.following():
        assert world.versions() == {"a": "1"}
    assert clock.slept == []


async def test_nonsense_is_survived_by_a_list(world: World, server: ScriptedServer) -> None:
    """An answer that nobody foresaw ends in another try, not in a dead watch."""
    server.will(answers("<html>"), listed(10), streams("nonsense\n"), listed(12, service("a", 11)), last())
    async with world.following():
        assert world.versions() == {"a": "11"}


async def test_silence_is_measured_from_the_last_bookmark(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """A watch that says nothing is what an alert is for."""
    server.will(listed(10), last(bookmark(11)))
    async with world.following():
        clock.move(42)
        assert world.informer.silence() == 42


async def test_a_connection_that_is_refused_at_first_is_tried_again(world: World, server: ScriptedServer) -> None:
    """The operator may start before the API server."""
    server.will(cuts(), listed(10, service("a", 1)), last())
    async with world.following():
        assert world.versions() == {"a": "1"}


async def test_a_task_that_somebody_ends_is_started_again(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """A framework that shuts down cancels every task it can see; ours come back."""
    server.will(listed(10), streams(bookmark(11)), streams())
    informers = Informers(connection, [SERVICES], ObjectCache(), clock)
    running = asyncio.create_task(informers.run())
    await asyncio.wait_for(informers.synced(), 5)
    next(task for task in asyncio.all_tasks() if task.get_name() == "informer services").cancel()
    await asyncio.wait_for(server.exhausted.wait(), 5)
    assert informers.restarts() == {"services": 1}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_kind_of_which_nothing_comes_is_named(connection: Connection, clock: HandClock) -> None:
    """The operator ends with that message: it would never know the cluster."""
    informers = Informers(connection, [SERVICES], ObjectCache(), clock)
    clock.move(60)
    with pytest.raises(Unavailable, match="cannot list services within 60 s: check the API server"):
        await informers.synced(60)


async def test_a_list_of_very_many_may_take_as_long_as_pages_come(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """Ten thousand ModelDeployments are a hundred thousand objects."""
    server.will(listed(10, service("a", 1), token="more"), listed(10, service("b", 2)), last())
    informers = Informers(connection, [SERVICES], ObjectCache(), clock)
    clock.move(59)
    waiting, running = asyncio.create_task(informers.synced(60)), asyncio.create_task(informers.run())
    while informers.silence()["services"] == 59:  # noqa: ASYNC110 - no event tells of a page
        await asyncio.sleep(0)
    clock.move(59)
    await asyncio.wait_for(waiting, 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_each_namespace_is_listed_and_watched_for_itself(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """An operator of some namespaces asks for nothing else; its numbers are still by kind."""
    server.will(listed(10, service("a", 1)))
    watched = [replace(SERVICES, namespace=each) for each in ("ml", "shop")]
    informers = Informers(connection, watched, ObjectCache(), clock)
    running = asyncio.create_task(informers.run())
    await asyncio.wait_for(informers.synced(), 5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert {each.path for each in server.seen} == {f"/api/v1/namespaces/{each}/services" for each in ("ml", "shop")}
    assert list(informers.silence()) == list(informers.restarts()) == ["services"]


def test_gateways_are_looked_for_where_they_are_granted_too() -> None:
    """All other kinds are read in the named namespaces alone."""
    watched = watched_within(PROVIDERS, ["ml"], ["ml", "istio-ingress"])
    assert {each.namespace for each in watched if each.kind not in PROVIDERS.gateways} == {"ml"}
    assert {each.namespace for each in watched if each.kind in PROVIDERS.gateways} == {"ml", "istio-ingress"}
    assert {each.namespace for each in watched_within(PROVIDERS, [], [])} == {""}


async def test_what_an_api_server_said_while_it_started_does_not_slow_what_comes_later(
    world: World, server: ScriptedServer, clock: HandClock
) -> None:
    """The first failure after the list is waited out as any first one."""
    absent, busy = answers("404 page not found", 404), answers({"message": "busy"}, 503)
    server.will(absent, answers("ok"), listed(10, service("a", 1)), busy, last())
    async with world.following():
        assert world.versions() == {"a": "1"}
    assert clock.slept == [FIRST_DELAY]
