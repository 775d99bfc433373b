"""Whole rollouts against a real API server: what is asked for is what comes to be, and the record says why."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.kinds import CONTROLLER_REVISION, DEPLOYMENT, ROLLOUT, VIRTUAL_SERVICE, Json
from tests.support.fake_prometheus import Traffic
from tests.support.real_world import LASTING, RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120), pytest.mark.usefixtures("operator")]


async def serving(world: RealWorld, **spec: Any) -> None:
    """Let version 1 serve."""
    await world.commit("1", **spec)
    await world.until_phase("Succeeded", version="1")


async def trying(world: RealWorld, version: str = "2", **spec: Any) -> None:
    """Let version 1 serve and another one stay at its first weight."""
    await serving(world, steps=LASTING, **spec)
    await world.commit(version, steps=LASTING, **spec)
    await world.until_weight(10, version=version)


async def test_the_first_revision_gets_all_traffic(world: RealWorld) -> None:
    """There is nothing to compare it with: it goes straight to 100 % once its pods are ready."""
    await serving(world)
    await world.until(lambda: world.said("Ready") == "True", "Ready")
    assert world.routed == {"1": 100}
    assert len(world.pods("1")) == 2


async def test_a_good_revision_walks_all_the_way(world: RealWorld) -> None:
    """Ten per cent, fifty, all; the former revision's pods go when nothing can reach them any more."""
    await serving(world)
    former = world.revision("1")
    await world.commit("2")
    await world.until_phase("Succeeded", version="2")
    await world.until(lambda: world.mirror.get(DEPLOYMENT, former) is None, "the former revision's pods to go")
    assert world.weights_of("2") == [0, 10, 50, 100]
    assert world.mirror.get(CONTROLLER_REVISION, former) is not None


async def test_a_bad_revision_is_taken_back(world: RealWorld) -> None:
    """The record answers why: metric, value, limit and number of samples."""
    await trying(world)
    world.prometheus.spoil(world.revision("2"))
    await world.until_phase("Reverted")
    await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1")
    taken = next(one for one in world.state["decisions"] if one["action"] == "Taken")
    assert taken["metric"] == "error-rate"
    assert taken["limit"] == "max 5%"
    assert float(taken["samples"]) > 20


async def test_intent_is_stored_before_it_is_carried_out(world: RealWorld) -> None:
    """On the way up and on the way back the weight stands in the status before it stands in the route."""
    await trying(world)
    world.prometheus.spoil(world.revision("2"))
    await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1")
    name = world.rollout["metadata"]["name"]

    def stored(weight: int, phase: str) -> int:
        return world.first(ROLLOUT, lambda one: _stands(one, name, weight, phase)).version

    def routed(weights: Json) -> int:
        return world.first(VIRTUAL_SERVICE, lambda one: world.weights(one) == weights).version

    raised, taken = routed({"1": 90, "2": 10}), world.mirror.get(VIRTUAL_SERVICE, world.name)
    assert taken is not None
    assert stored(10, "Paused") < raised < stored(0, "Reverted") < int(taken["metadata"]["resourceVersion"])


async def test_a_rejected_revision_is_said_to_be_so(world: RealWorld) -> None:
    """Ready stays True while version 1 serves, Stalled says that git asks in vain, and nothing starts again."""
    await trying(world)
    world.prometheus.spoil(world.revision("2"))
    await world.until(lambda: world.said("Stalled") == "True", "Stalled")
    assert world.condition("Stalled")["reason"] == "RevisionRejected"
    assert world.said("Ready") == "True"
    await world.until_still()
    assert len(world.rollouts) == 2


async def test_a_revision_that_never_becomes_ready_gets_no_traffic(world: RealWorld) -> None:
    """Its deadline aborts it, and the record names the pods."""
    await serving(world)
    world.kubelets.failing.add("2")
    await world.commit("2", progressDeadlineSeconds=2)
    aborted = await world.until_phase("Aborted", version="2")
    assert aborted["status"]["reason"] == "ProgressDeadlineExceeded"
    assert set(world.weights_of("2")) <= {0}


async def test_no_traffic_is_neither_good_nor_bad(world: RealWorld) -> None:
    """A canary that nobody asks holds its weight, with the reason."""
    await serving(world)
    world.prometheus.usual = Traffic(per_second=0.0)
    await world.commit("2")
    await world.until(lambda: world.state.get("reason") == "NoTraffic", "NoTraffic")
    assert (world.state["verdict"], world.state["weight"]) == ("Undecided", 10)


async def test_a_metrics_source_that_is_down_holds_the_weight(world: RealWorld) -> None:
    """Blind is no verdict on the model; when the source is back, the rollout goes on."""
    await serving(world)
    await world.commit("2")
    await world.until_weight(10, version="2")
    world.prometheus.down = True
    await world.until(lambda: world.state.get("verdict") == "Blind", "Blind")
    assert world.state["weight"] == 10
    world.prometheus.down = False
    await world.until_phase("Succeeded", version="2")


async def test_abort_takes_the_weight_away(world: RealWorld) -> None:
    """`spec.abort: true` with kubectl."""
    await trying(world)
    world.lever('{"spec": {"abort": true}}')
    await world.until_phase("Aborted")
    await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1")


async def test_pause_holds_and_resume_goes_on(world: RealWorld) -> None:
    """`spec.paused` holds a rollout for as long as it is true."""
    await serving(world)
    await world.commit("2", steps=[{"setWeight": 10}, {"pause": {"duration": "2s"}}])
    await world.until_weight(10, version="2")
    world.lever('{"spec": {"paused": true}}')
    await world.until(lambda: world.state.get("reason") == "PausedByUser", "PausedByUser")
    assert world.state["acknowledged"]["paused"] is True
    world.lever('{"spec": {"paused": false}}')
    await world.until_phase("Succeeded", version="2")


async def test_promote_goes_through_a_pause(world: RealWorld) -> None:
    """`promote.throughStep`, the number as the column STEP shows it."""
    await trying(world)
    world.lever('{"spec": {"promote": {"throughStep": 2}}}')
    await world.until_phase("Succeeded", version="2")


async def test_a_full_promotion_skips_the_steps(world: RealWorld) -> None:
    """`promote.full` goes from the first weight to all traffic, and the record says who wanted it."""
    await serving(world)
    await world.commit("2", steps=[{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}, {"pause": {}}])
    await world.until_weight(10, version="2")
    world.lever('{"spec": {"promote": {"full": true}}}')
    await world.until_phase("Succeeded", version="2")
    assert world.weights_of("2") == [0, 10, 100]
    assert "PromotedByUser" in {one["reason"] for one in world.state["decisions"]}


async def test_retry_makes_another_attempt(world: RealWorld) -> None:
    """A new string in `spec.retry` of the newest Rollout, and the revision is tried again."""
    await trying(world)
    world.lever('{"spec": {"abort": true}}')
    await world.until_phase("Aborted")
    world.lever('{"spec": {"retry": "the feature store is back"}}')
    await world.until(lambda: world.rollout["metadata"]["name"].endswith("-2"), "a second attempt")
    await world.until_weight(10, version="2")


async def test_a_new_spec_supersedes(world: RealWorld) -> None:
    """The running rollout ends with weight 0 before the next one gets any."""
    await trying(world)
    await world.commit("3")
    await world.until_phase("Succeeded", version="3")
    assert [one["status"]["phase"] for one in world.rollouts] == ["Succeeded", "Superseded", "Succeeded"]
    assert all(not (route.get("2") and route.get("3")) for route in world.routes)


async def test_the_former_spec_is_an_immediate_way_back(world: RealWorld) -> None:
    """The spec set back to the stable revision in mid-rollout ends it, and nothing is rejected."""
    await trying(world)
    await world.commit("1", steps=LASTING)
    ended = await world.until_phase("Superseded")
    assert ended["status"]["reason"] == "SpecRestored"
    await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1")
    await world.until_still()
    assert world.said("Stalled") == "False"


async def test_the_spec_is_never_written(world: RealWorld) -> None:
    """In a whole rollout and its revert no manager but git's own has a field of the spec."""
    await trying(world)
    world.prometheus.spoil(world.revision("2"))
    await world.until(lambda: world.said("Stalled") == "True", "Stalled")
    fields = world.deployment["metadata"]["managedFields"]
    assert {entry["manager"] for entry in fields if "f:spec" in entry["fieldsV1"]} == {"git"}


def _stands(rollout: Json, name: str, weight: int, phase: str) -> bool:
    status = rollout.get("status") or {}
    found = (rollout["metadata"]["name"], status.get("weight"), status.get("phase"))
    return found == (name, weight, phase)
