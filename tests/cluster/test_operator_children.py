"""What is derived against a real API server: drift is corrected, nothing is written in vain, nobody else is touched."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.app import Operator
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DESTINATION_RULE,
    MODEL_DEPLOYMENT,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)
from tests.support.cluster_api import RefusedWrite
from tests.support.operator import requests_made
from tests.support.real_world import DERIVED, LASTING, RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

STEADY_SECONDS = 4.0


async def serving(world: RealWorld, **spec: Any) -> None:
    """Let version 1 serve, and everything come to rest."""
    await world.commit("1", **spec)
    await world.until_weight(100, version="1")


async def trying(world: RealWorld) -> None:
    """Let version 2 stay at ten per cent."""
    await serving(world)
    await world.commit("2", steps=LASTING)
    await world.until_weight(10, version="2")


def _allowed(budget: Json | None) -> int:
    return int((budget or {}).get("status", {}).get("disruptionsAllowed", 0))


async def replaced(world: RealWorld, kind: Kind, name: str, uid: str) -> None:
    """Wait until an object of this name is there again."""
    await world.until(
        lambda: (found := world.mirror.get(kind, name)) and found["metadata"]["uid"] != uid, f"a new {kind.name}"
    )


@pytest.mark.parametrize(
    ("kind", "patch", "reads"),
    [
        (DEPLOYMENT, {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 99}}}}, "template"),
        (POD_DISRUPTION_BUDGET, {"spec": {"maxUnavailable": 0}}, "maxUnavailable"),
        (SERVICE, {"spec": {"selector": {"app": "other"}}}, "selector"),
        (DESTINATION_RULE, {"spec": {"host": "elsewhere"}}, "host"),
        (VIRTUAL_SERVICE, {"spec": {"hosts": ["elsewhere.example.com"]}}, "hosts"),
    ],
    ids=lambda value: value.name if isinstance(value, Kind) else "",
)
async def test_a_hand_edit_is_corrected(
    world: RealWorld, operator: Operator, kind: Kind, patch: Json, reads: str
) -> None:
    """The edit itself wakes the pass that takes it back; nothing waits for a timer."""
    await serving(world)
    name = world.name if kind == VIRTUAL_SERVICE else world.revision("1")
    before = world.mirror.get(kind, name)
    assert before is not None
    edited = await world.api.patch(kind, world.namespace, name, patch)
    assert edited["spec"][reads] != before["spec"][reads]
    await world.until(lambda: _field(world.mirror.get(kind, name), reads) == before["spec"][reads], "our answer")


@pytest.mark.parametrize("field", ["hosts", "gateways"])
async def test_what_a_hand_binds_a_delegate_to_is_taken_away(world: RealWorld, operator: Operator, field: str) -> None:
    """A delegate has neither; an empty list is ours like any other value."""
    await serving(world, traffic={"pathPrefix": "/fraud", "istio": {"delegate": True}})
    edited = await world.api.patch(VIRTUAL_SERVICE, world.namespace, world.name, {"spec": {field: ["x.example.com"]}})
    assert edited["spec"][field] == ["x.example.com"]
    await world.until(lambda: _field(world.mirror.get(VIRTUAL_SERVICE, world.name), field) == [], "our answer")


async def test_a_node_is_drained_of_one_pod_of_a_revision_at_a_time(world: RealWorld, operator: Operator) -> None:
    """The next is evicted only when another is ready in the first one's place."""
    await serving(world, scaling={"minReplicas": 3})
    budget = world.revision("1")
    await world.until(lambda: _allowed(world.mirror.get(POD_DISRUPTION_BUDGET, budget)) == 1, "room for one")
    first, second, _ = (pod["metadata"]["name"] for pod in world.pods("1"))
    world.kubelets.failing.add("1")
    await world.api.evict(world.namespace, first)
    with pytest.raises(RefusedWrite) as refused:
        await world.api.evict(world.namespace, second)
    assert refused.value.status == 429


async def test_pods_that_answer_nobody_hold_no_node(world: RealWorld, operator: Operator) -> None:
    """A version that crashes would keep its nodes from being drained for as long as it crashes."""
    world.kubelets.failing.add("1")
    await world.commit("1", scaling={"minReplicas": 3})
    await world.until(lambda: len(world.pods("1")) == 3, "pods")
    await world.until(lambda: world.mirror.get(POD_DISRUPTION_BUDGET, world.revision("1")) is not None, "a budget")
    unready = [{"type": kind, "status": "False"} for kind in ("Ready", "ContainersReady")]
    running: Json = {"phase": "Running", "podIP": "10.9.9.9", "podIPs": [{"ip": "10.9.9.9"}], "conditions": unready}
    names = [pod["metadata"]["name"] for pod in world.pods("1")]
    for name in names:
        await world.api.patch(POD, world.namespace, name, {"status": running}, "status")
    await world.api.evict(world.namespace, names[0])


async def test_weights_edited_by_hand_are_corrected(world: RealWorld, operator: Operator) -> None:
    """They are an observation; what the Rollout's status says is the truth."""
    await trying(world)
    route = world.mirror.get(VIRTUAL_SERVICE, world.name)
    assert route is not None
    rules = route["spec"]["http"]
    for rule in rules:
        rule["route"][0]["weight"], rule["route"][1]["weight"] = 20, 80
    edited = await world.api.patch(VIRTUAL_SERVICE, world.namespace, world.name, {"spec": {"http": rules}})
    assert world.weights(edited) != {"1": 90, "2": 10}
    after = await world.until(lambda: _newer(world.mirror.get(VIRTUAL_SERVICE, world.name), edited), "our answer")
    assert world.weights(after) == {"1": 90, "2": 10}


async def test_nothing_is_written_when_nothing_differs(world: RealWorld, operator: Operator) -> None:
    """A steady state costs the API server nothing at all: no write, and no read either."""
    await serving(world)
    await world.until_still()
    before = world.mirror.versions()
    requests = await requests_made(operator.url)
    assert await world.mirror.written_within(STEADY_SECONDS) == []
    assert world.mirror.versions() == before
    assert await requests_made(operator.url) == requests


async def test_a_live_rollout_that_holds_writes_nothing(world: RealWorld, operator: Operator) -> None:
    """It is looked at each second, and what is seen each second is the same."""
    await trying(world)
    await world.until(lambda: world.state.get("verdict") == "Safe", "a first verdict")
    while await world.mirror.written_within(1.5):
        continue
    before, asked = world.mirror.versions(), world.prometheus.questions
    assert await world.mirror.written_within(STEADY_SECONDS) == []
    assert world.mirror.versions() == before
    assert world.prometheus.questions > asked


@pytest.mark.parametrize("kind", [*DERIVED, ROLLOUT], ids=lambda kind: kind.name)
async def test_what_is_deleted_by_hand_comes_back(world: RealWorld, operator: Operator, kind: Kind) -> None:
    """Also in mid-rollout, and the split is the same afterwards. A Rollout that is gone begins anew."""
    await trying(world)
    names = {VIRTUAL_SERVICE: world.name, ROLLOUT: world.rollout["metadata"]["name"]}
    # The canary has a single pod, and so no budget.
    name = {**names, POD_DISRUPTION_BUDGET: world.revision("1")}.get(kind, world.revision("2"))
    before = world.mirror.get(kind, name)
    assert before is not None
    await world.api.delete(kind, world.namespace, name)
    await replaced(world, kind, name, before["metadata"]["uid"])
    await world.until_weight(10, version="2")


async def test_a_wiped_status_is_filled_again(world: RealWorld, operator: Operator) -> None:
    """Neither object's status is where the truth of the split comes from while the other has it."""
    await trying(world)
    for kind, name in ((MODEL_DEPLOYMENT, world.name), (ROLLOUT, world.rollout["metadata"]["name"])):
        await world.api.patch(kind, world.namespace, name, {"status": None}, "status")
    await world.until(lambda: world.state.get("weight") == 10 and world.said("Ready") == "True", "both statuses")
    assert all(route.get("1", 0) >= 90 for route in world.routes[1:] if "1" in route)


async def test_a_service_of_that_name_is_left_alone(world: RealWorld, operator: Operator) -> None:
    """Somebody else's Service that is called as our root Service is not adopted: NameConflict says so."""
    theirs = await world.api.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": world.name, "namespace": world.namespace},
            "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]},
        }
    )
    await world.commit("1")
    await world.until(lambda: world.condition("Stalled").get("reason") == "NameConflict", "NameConflict")
    found = await world.api.get(SERVICE, world.namespace, world.name)
    assert found is not None
    assert found["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]


async def test_a_route_with_our_host_is_left_alone(world: RealWorld, operator: Operator) -> None:
    """Theirs was first: nothing of ours starts, HostConflict names it; when it goes, we begin."""
    host = f"{world.name}.{world.namespace}.example.com"
    theirs = await world.api.create(_route(world.namespace, "theirs", host))
    await world.commit("1")
    await world.until(lambda: world.condition("Stalled").get("reason") == "HostConflict", "HostConflict")
    assert "theirs" in world.condition("Stalled")["message"]
    assert world.mirror.get(VIRTUAL_SERVICE, world.name) is None
    found = world.mirror.get(VIRTUAL_SERVICE, "theirs")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    await world.api.delete(VIRTUAL_SERVICE, world.namespace, "theirs")
    await world.until_phase("Succeeded", version="1")


async def test_history_is_kept_to_its_limit(world: RealWorld, operator: Operator) -> None:
    """`revisionHistoryLimit` holds for ControllerRevisions and Rollouts alike, beside what is in use."""
    for version in ("1", "2", "3"):
        await world.commit(version, revisionHistoryLimit=1)
        await world.until_phase("Succeeded", version=version)
    await world.until(lambda: len(world.mirror.all(CONTROLLER_REVISION)) == 2, "one revision beside the stable one")
    await world.until(lambda: len(world.rollouts) == 2, "one Rollout beside the newest")


async def test_a_deleted_model_deployment_leaves_nothing(world: RealWorld, operator: Operator) -> None:
    """In mid-rollout; the garbage collector takes all that is owned, and nothing comes back."""
    await trying(world)
    await world.api.delete(MODEL_DEPLOYMENT, world.namespace, world.name)
    kinds = (*DERIVED, ROLLOUT, POD)
    await world.until(lambda: not any(world.mirror.all(kind) for kind in kinds), "nothing", limit=60)
    assert await world.mirror.written_within(1.0) == []


def _field(found: Json | None, name: str) -> object:
    return (found or {"spec": {}})["spec"].get(name)


def _newer(found: Json | None, than: Json) -> Json | None:
    there = found is not None and int(found["metadata"]["resourceVersion"]) > int(than["metadata"]["resourceVersion"])
    return found if there else None


def _route(namespace: str, name: str, host: str) -> Json:
    destination = {"destination": {"host": f"{name}.{namespace}.svc.cluster.local"}}
    return {
        "apiVersion": VIRTUAL_SERVICE.api_version,
        "kind": VIRTUAL_SERVICE.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"hosts": [host], "gateways": ["public"], "http": [{"route": [destination]}]},
    }
