"""The client of the API server, against what a real one does on bad days."""

from __future__ import annotations

import math
from contextlib import suppress

import aiohttp
import pytest

from serinus.adapters.kubernetes.client import KubernetesCluster, may_still_arrive
from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone, Invalid, Unavailable
from serinus.core.model.kinds import SERVICE, Json
from tests.support.hand_clock import HandClock
from tests.support.scripted_server import Answer, ScriptedServer, answers, cuts, hangs

WANTED: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fraud", "namespace": "ml"}}
BUSY = answers({"message": "too many requests"}, 429, Retry_After="1")


@pytest.fixture
def cluster(connection: Connection, clock: HandClock) -> KubernetesCluster:
    return KubernetesCluster(connection, clock)


async def test_an_apply_is_server_side_in_our_name(cluster: KubernetesCluster, server: ScriptedServer) -> None:
    """The field manager is `serinus`, the body is JSON, and force is said either way."""
    server.will(answers(WANTED))
    await cluster.apply(WANTED, force=False)
    sent = server.seen[0]
    assert (sent.method, sent.path) == ("PATCH", "/api/v1/namespaces/ml/services/fraud")
    assert sent.query == {"fieldManager": "serinus", "force": "false"}
    assert sent.headers["Content-Type"] == "application/apply-patch+yaml"
    assert sent.json() == WANTED


async def test_a_new_object_is_applied_with_a_version_that_none_has(
    cluster: KubernetesCluster, server: ScriptedServer
) -> None:
    """So it is made where it is missing, and refused where it is not; nobody's field is taken by force."""
    server.will(answers(WANTED), answers({"message": "the object has been modified"}, 409))
    await cluster.apply_new(WANTED)
    with pytest.raises(Conflict):
        await cluster.apply_new(WANTED)
    assert server.seen[0].query == {"fieldManager": "serinus", "force": "false"}
    assert server.seen[0].json() == {**WANTED, "metadata": {**WANTED["metadata"], "resourceVersion": "1"}}


async def test_a_status_is_applied_by_force_to_its_subresource(
    cluster: KubernetesCluster, server: ScriptedServer
) -> None:
    """Status is ours alone."""
    server.will(answers(WANTED))
    await cluster.apply_status(WANTED)
    assert server.seen[0].path.endswith("/services/fraud/status")
    assert server.seen[0].query["force"] == "true"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Invalid),
        (401, Forbidden),
        (403, Forbidden),
        (404, Gone),
        (409, Conflict),
        (422, Invalid),
        (503, Unavailable),
    ],
)
async def test_each_refusal_has_one_error(
    cluster: KubernetesCluster, server: ScriptedServer, status: int, error: type[ClusterError]
) -> None:
    """The rest of the code sees the tree, and the server's own words."""
    server.will(answers({"message": "no, because"}, status))
    with pytest.raises(error, match="no, because"):
        await cluster.apply(WANTED, force=True)


async def test_a_field_that_the_server_does_not_know_is_the_manifests_fault(
    cluster: KubernetesCluster, server: ScriptedServer
) -> None:
    """It answers 500 as if it were out of order; asking again would say the same for ever."""
    said = "failed to create typed patch object (ml/fraud; apps/v1, Kind=Deployment): .spec.x: field not declared"
    server.will(answers({"message": said}, 500))
    with pytest.raises(Invalid, match="not declared"):
        await cluster.apply(WANTED, force=True)


async def test_a_namespace_that_is_being_deleted_is_gone(cluster: KubernetesCluster, server: ScriptedServer) -> None:
    """The API server calls it forbidden; no RBAC rule would help."""
    server.will(answers({"message": "x", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}, 403))
    with pytest.raises(Gone):
        await cluster.create(WANTED)


async def test_a_busy_server_is_asked_again_when_it_says(
    cluster: KubernetesCluster, server: ScriptedServer, clock: HandClock
) -> None:
    """429 with Retry-After is a request to come back, not an error."""
    server.will(BUSY, answers(WANTED))
    assert await cluster.apply(WANTED, force=True) == WANTED
    assert clock.slept == [1.0]


async def test_a_long_wait_is_left_to_the_caller(
    cluster: KubernetesCluster, server: ScriptedServer, clock: HandClock
) -> None:
    """A pass must not be held up for a minute by one write; the error carries the server's wish."""
    server.will(answers({"message": "later"}, 429, Retry_After="60"))
    with pytest.raises(Unavailable) as raised:
        await cluster.apply(WANTED, force=True)
    assert (raised.value.retry_after, clock.slept, len(server.seen)) == (60.0, [], 1)


async def test_tries_are_few(cluster: KubernetesCluster, server: ScriptedServer, clock: HandClock) -> None:
    """Three tries within half a second; then the caller's back-off takes over."""
    server.will(answers("etcdserver: leader changed", 500))
    with pytest.raises(Unavailable, match="leader changed"):
        await cluster.apply(WANTED, force=True)
    assert len(server.seen) == 3
    assert sum(clock.slept) <= 0.5


async def test_a_cut_connection_is_tried_again(cluster: KubernetesCluster, server: ScriptedServer) -> None:
    """A restarting API server costs a retry, not a pass."""
    server.will(cuts(), answers(WANTED))
    assert await cluster.apply(WANTED, force=True) == WANTED


async def test_a_server_that_never_answers_is_given_up_once(server: ScriptedServer, clock: HandClock) -> None:
    """Every request has a time limit, and one that ran into it is not repeated."""
    server.will(hangs())
    limits = aiohttp.ClientTimeout(total=2)  # a busy machine has sent the request by then
    async with Connection(Endpoint(server.url, "default"), clock, limits=limits) as connection:
        with pytest.raises(Unavailable, match="no answer in time"):
            await KubernetesCluster(connection, clock).get(SERVICE, "ml", "fraud")
    assert len(server.seen) == 1


async def test_nothing_listens(clock: HandClock) -> None:
    """A refused connection is Unavailable."""
    async with Connection(Endpoint("http://127.0.0.1:1", "default"), clock) as nowhere:
        with pytest.raises(Unavailable):
            await KubernetesCluster(nowhere, clock).get(SERVICE, "ml", "fraud")


async def test_a_process_whose_lease_has_run_out_writes_nothing(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """Another process may be the writer by now; reading is still allowed."""
    cluster = KubernetesCluster(connection, clock, write_seconds=lambda: -math.inf)
    server.will(answers(WANTED))
    for write in (
        cluster.apply(WANTED, force=True),
        cluster.apply_status(WANTED),
        cluster.create(WANTED),
        cluster.merge(SERVICE, "ml", "fraud", {}),
        cluster.delete(SERVICE, "ml", "fraud", uid="1"),
    ):
        with pytest.raises(Unavailable, match="lease"):
            await write
    assert server.seen == []
    assert await cluster.get(SERVICE, "ml", "fraud") == WANTED


async def test_the_lease_is_looked_at_before_each_try(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """A lease may run out while a busy server is waited for."""
    left = iter([math.inf, -math.inf])
    cluster = KubernetesCluster(connection, clock, write_seconds=lambda: next(left))
    server.will(BUSY)
    with pytest.raises(Unavailable, match="lease"):
        await cluster.apply(WANTED, force=True)
    assert len(server.seen) == 1


async def test_each_try_is_counted_by_verb_and_outcome(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """The metric shows what the API server answered, retries included."""
    counted: list[tuple[str, str]] = []
    cluster = KubernetesCluster(connection, clock, on_request=lambda verb, outcome, _: counted.append((verb, outcome)))
    server.will(BUSY, answers(WANTED))
    await cluster.apply(WANTED, force=True)
    assert counted == [("apply", "Unavailable"), ("apply", "OK")]


async def test_a_list_is_read_page_by_page_with_kinds_filled_in(
    cluster: KubernetesCluster, server: ScriptedServer
) -> None:
    """Items of a list carry neither apiVersion nor kind of their own."""
    server.will(
        answers({"metadata": {"continue": "more"}, "items": [{"metadata": {"name": "a"}}]}),
        answers({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
    )
    found = await cluster.list(SERVICE, "ml", label_selector="x=y")
    assert [(each["kind"], each["metadata"]["name"]) for each in found] == [("Service", "a"), ("Service", "b")]
    assert [each.query.get("continue") for each in server.seen] == [None, "more"]
    assert {each.query["labelSelector"] for each in server.seen} == {"x=y"}


async def test_a_list_whose_token_expires_is_started_once_more(
    cluster: KubernetesCluster, server: ScriptedServer
) -> None:
    """Compaction may overtake a long list."""
    server.will(
        answers({"metadata": {"continue": "old"}, "items": [{"metadata": {"name": "a"}}]}),
        answers({"message": "expired"}, 410),
        answers({"metadata": {}, "items": [{"metadata": {"name": "a"}}]}),
    )
    assert [each["metadata"]["name"] for each in await cluster.list(SERVICE, "ml")] == ["a"]


async def test_pages_are_handed_on_one_by_one_and_all_again_when_the_token_expires(
    cluster: KubernetesCluster, server: ScriptedServer
) -> None:
    """Whoever takes in ten thousand objects need not hold them all at once."""
    server.will(
        answers({"metadata": {"continue": "old"}, "items": [{"metadata": {"name": "a"}}]}),
        answers({"message": "expired"}, 410),
        answers({"metadata": {"continue": "new"}, "items": [{"metadata": {"name": "a"}}]}),
        answers({"metadata": {}, "items": [{"metadata": {"name": "b"}}]}),
    )
    pages = [[each["metadata"]["name"] for each in page] async for page in cluster.pages(SERVICE, "ml")]
    assert pages == [["a"], ["a"], ["b"]]


async def test_a_refused_token_is_read_again_once(server: ScriptedServer, clock: HandClock) -> None:
    """A token that was replaced on disk costs one request."""
    tokens = iter(["Bearer old", "Bearer new"])
    endpoint = Endpoint(server.url, "default", read_authorization=lambda: next(tokens))
    server.will(answers({}, 401), answers(WANTED))
    async with Connection(endpoint, clock) as connection:
        assert await KubernetesCluster(connection, clock).get(SERVICE, "ml", "fraud") == WANTED
    assert [each.headers["Authorization"] for each in server.seen] == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(
    ("left", "sent"),
    [
        pytest.param(8.0, "8000ms", id="less than a request may take"),
        pytest.param(30.0, "10000ms", id="more"),
        pytest.param(1.5, "1500ms", id="hardly any"),
    ],
)
async def test_a_write_ends_before_the_lease_does(
    connection: Connection, server: ScriptedServer, clock: HandClock, left: float, sent: str
) -> None:
    """The API server is told how long it may take, so that it abandons what we have abandoned."""
    cluster = KubernetesCluster(connection, clock, write_seconds=lambda: left)
    server.will(answers(WANTED))
    await cluster.apply(WANTED, force=True)
    await cluster.get(SERVICE, "ml", "fraud")
    assert [one.query.get("timeout") for one in server.seen] == [sent, None]


async def test_a_write_that_hangs_is_abandoned_in_time(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """By us, too: the lease ends, whatever becomes of the answer."""
    cluster = KubernetesCluster(connection, clock, write_seconds=lambda: 0.3)
    server.will(hangs())
    with pytest.raises(Unavailable, match="no answer in time"):
        await cluster.apply(WANTED, force=True)
    assert len(server.seen) == 1


async def test_a_write_with_hardly_any_time_left_is_not_begun(
    connection: Connection, server: ScriptedServer, clock: HandClock
) -> None:
    """It would be abandoned half way, and nobody could tell whether it took effect."""
    cluster = KubernetesCluster(connection, clock, write_seconds=lambda: 0.1)
    with pytest.raises(Unavailable, match="lease"):
        await cluster.create(WANTED)
    assert server.seen == []


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [(cuts(), True), (hangs(), True), (answers({"message": "no"}, 409), False), (answers(WANTED), False)],
    ids=["cut off", "no answer in time", "refused", "done"],
)
async def test_a_write_whose_end_nobody_knows_may_still_arrive(
    server: ScriptedServer, clock: HandClock, answer: Answer, unknown: bool
) -> None:
    """What makes it ours to write must run out by itself then; a read leaves nothing behind."""
    counted: list[tuple[str, str]] = []
    server.will(answer)
    limits = aiohttp.ClientTimeout(total=2)  # a busy machine has sent the request by then
    async with Connection(Endpoint(server.url, "default"), clock, limits=limits) as connection:
        cluster = KubernetesCluster(
            connection, clock, on_request=lambda verb, outcome, _: counted.append((verb, outcome))
        )
        with suppress(ClusterError):
            await cluster.apply(WANTED, force=True)
    assert {may_still_arrive(verb, outcome) for verb, outcome in counted} == {unknown}
    assert not any(may_still_arrive("get", outcome) for _, outcome in counted)


async def test_a_write_for_which_no_connection_was_made_arrives_nowhere(clock: HandClock) -> None:
    """An API server that is away for a while costs no lease that is given up in good order."""
    counted: list[tuple[str, str]] = []
    async with Connection(Endpoint("http://127.0.0.1:1", "default"), clock) as nowhere:
        cluster = KubernetesCluster(nowhere, clock, on_request=lambda verb, outcome, _: counted.append((verb, outcome)))
        with pytest.raises(Unavailable):
            await cluster.apply(WANTED, force=True)
    assert counted
    assert not any(may_still_arrive(*one) for one in counted)
