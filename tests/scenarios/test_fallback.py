"""Another ModelDeployment answers while no pod of what should serve is ready: at once, and until one has been ready for
a while."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import Model, World, fraud, serving
from tests.support.world.given import HALF, routed_by
from tests.support.world.world import rules_of

pytestmark = WITH_EACH_API

RULES = "fraud-rules"
RULES_VERSION = "rules"


def falling_back(world: World, name: str = RULES) -> Json:
    return {**routed_by(world.routing), "fallback": {"name": name}}


def rules(world: World, *, model: str | None = "fraud", **traffic: Any) -> Json:
    """The ModelDeployment that stands in: the same model by name, another one by nature."""
    manifest = fraud(RULES_VERSION, traffic={**routed_by(world.routing, "rules.example.com"), **traffic})
    manifest["metadata"]["name"] = RULES
    if model is not None:
        manifest["spec"]["model"]["name"] = model
    return manifest


def phase_of_rules(world: World) -> str | None:
    manifest = world.api.find(MODEL_DEPLOYMENT, RULES)
    return (manifest or {}).get("status", {}).get("phase")


async def with_rules(world: World | None = None) -> World:
    """A world in which the one that stands in serves already."""
    world = world or World()
    world.models[RULES_VERSION] = Model()
    world.commit(rules(world))
    await world.until(lambda w: phase_of_rules(w) == "Serving", limit=60)
    return world


async def backed(**spec: Any) -> World:
    """Version 1 serves, and has a fallback."""
    world = await with_rules()
    await serving(world=world, traffic=falling_back(world), **spec)
    await world.until(lambda w: w.routed == {"1": 100}, limit=20)
    Watchdog(world)
    return world


async def half_backed(model: Model | None = None) -> World:
    """Version 2 has half of the requests of version 1, and waits for a person."""
    world = await backed(steps=HALF)
    world.models["2"] = model or Model()
    world.commit(fraud("2", steps=HALF, traffic=falling_back(world)))
    await world.until(lambda w: w.routed.get("2") == 50)
    await world.run(3)
    return world


def lose(world: World, *versions: str) -> None:
    """Let no pod of these versions be ready."""
    for version in versions:
        world.models[version].loads = False


def mend(world: World, *versions: str) -> None:
    for version in versions:
        world.models[version].loads = True


async def test_it_answers_within_a_second_when_stable_has_no_ready_pod() -> None:
    """Every rule goes there; who reads the status learns why, and the split in it is what it was."""
    world = await backed()
    lose(world, "1")
    await world.run(1)
    assert world.fallback == RULES
    lost = world.lost
    await world.run(30)
    assert world.lost == lost
    assert world.answers[RULES_VERSION, "200"] > 0
    assert (world.status["phase"], world.status["reason"]) == ("NotReady", "FallbackServing")
    assert world.condition("FallbackServing")["status"] == "True"
    assert world.condition("Serving")["message"] == f"100% to the fallback {RULES}"
    assert world.condition("Ready")["status"] == "False"
    assert (world.status["serving"], world.status["stable"]["version"]) == (f"fallback {RULES}", "1")
    assert ("fraud", "FallbackServing") in [(name, reason) for name, reason, _ in world.events]


async def test_it_gives_back_what_it_has_once_a_pod_has_been_ready_for_a_while() -> None:
    """Ten seconds, and not one request is lost on the way."""
    world = await backed()
    lose(world, "1")
    await world.run(5)
    lost = world.lost
    mend(world, "1")
    took = await world.until(lambda w: w.routed == {"1": 100}, limit=20)
    assert 10 <= took <= 12
    await world.run(5)
    assert world.lost == lost
    assert (world.condition("FallbackServing")["status"], world.status.get("reason")) == ("False", None)
    assert world.condition("FallbackServing")["reason"] == "FallbackReady"
    told = [reason for name, reason, _ in world.events if name == "fraud" and reason.startswith("Fallback")]
    assert told[-2:] == ["FallbackServing", "FallbackEnded"]


async def test_pods_that_come_and_go_do_not_move_the_route() -> None:
    """Up for five seconds and down for five, for a minute: one write."""
    world = await backed()
    world.api.writes.clear()
    for _ in range(6):
        lose(world, "1")
        await world.run(5)
        mend(world, "1")
        await world.run(5)
    written = [one for one in world.api.writes if one == f"apply {world.provider.route.name} fraud"]
    assert (len(written), world.fallback) == (1, RULES)
    await world.until(lambda w: w.routed == {"1": 100}, limit=15)


@pytest.mark.parametrize(
    ("wrong", "reason", "says"),
    [
        ("missing", "FallbackMissing", "there is no ModelDeployment fraud-rules in namespace ml"),
        ("model", "FallbackModelDiffers", "fraud-rules serves the model fraud-rules, and fraud the model fraud"),
        ("down", "FallbackNotReady", "fraud-rules has no ready pod"),
    ],
)
async def test_who_cannot_stand_in_gets_nothing_and_is_named(wrong: str, reason: str, says: str) -> None:
    """Before it is needed, and while it is."""
    world = World()
    world.models[RULES_VERSION] = Model(loads=wrong != "down")
    if wrong != "missing":
        world.commit(rules(world, model=None if wrong == "model" else "fraud"))
        await world.run(20)
    await serving(world=world, traffic=falling_back(world))
    Watchdog(world)
    for _ in range(2):
        await world.run(3)
        found = world.condition("FallbackServing")
        assert (found["status"], found["reason"]) == ("False", reason)
        assert says in found["message"]
        assert found["message"].startswith("spec.traffic.fallback.name: ")
        assert world.status["reason"] == (reason if world.status["phase"] == "Serving" else "StableNotReady")
        assert world.routed == {"1": 100}
        lose(world, "1")


async def test_what_becomes_of_the_other_is_seen_at_once() -> None:
    """It comes, loses its pods, has them again and goes, while nothing of ours changes."""
    world = World()
    await serving(world=world, traffic=falling_back(world))
    lose(world, "1")
    await world.run(10)
    assert world.fallback is None
    await with_rules(world)
    await world.run(1)
    assert world.fallback == RULES
    lose(world, RULES_VERSION)
    await world.run(1)
    assert (world.fallback, world.condition("FallbackServing")["reason"]) == (None, "FallbackNotReady")
    mend(world, RULES_VERSION)
    await world.run(1)
    assert world.fallback == RULES
    world.api.remove(MODEL_DEPLOYMENT, "ml", RULES)
    await world.run(1)
    assert (world.fallback, world.condition("FallbackServing")["reason"]) == (None, "FallbackMissing")


async def test_it_follows_the_others_stable() -> None:
    """A rollout of the other is its own affair: our route stays as it is. Our requests are none of its canary's."""
    world = await backed()
    lose(world, "1")
    await world.run(2)
    world.api.writes.clear()
    world.models["rules-2"] = Model()
    newer = rules(world)
    newer["spec"]["model"]["version"] = "rules-2"
    world.commit(newer)
    await world.run(30)
    (_, trying) = [one for one in world.api.all(ROLLOUT) if one["spec"]["modelDeployment"] == RULES]
    assert (trying["status"]["weight"], trying["status"]["reason"]) == (10, "NoTraffic")
    world.api.put({**trying, "spec": {**trying["spec"], "promote": {"full": True}}})
    await world.until(lambda w: w.version(RULES) == "rules-2", limit=120)
    assert world.fallback == RULES
    assert f"apply {world.provider.route.name} fraud" not in world.api.writes
    await world.run(3)
    assert world.answers["rules-2", "200"] > 0


async def test_a_canary_with_pods_goes_before_it() -> None:
    """Stable fails, the canary serves half: it gets everything, as without a fallback."""
    world = await half_backed()
    lose(world, "1")
    await world.run(5)
    assert world.routed == {"1": 50, "2": 50}
    await world.until(lambda w: w.routed.get("2") == 100, limit=20)
    assert world.fallback is None


async def test_a_canary_that_saw_nothing_meanwhile_is_not_judged() -> None:
    """Both lose their pods; the fallback fails every request, and nobody is blamed for it."""
    world = await half_backed()
    world.models[RULES_VERSION].error_rate = 1.0
    lose(world, "1", "2")
    await world.run(2)
    assert world.fallback == RULES
    await world.run(30)
    assert (world.phase, world.state["weight"]) == ("Paused", 50)
    assert [one["action"] for one in world.state["decisions"]].count("Taken") == 0
    mend(world, "1", "2")
    await world.until(lambda w: w.routed == {"1": 50, "2": 50}, limit=20)
    await world.run(10)
    assert (world.phase, world.state["verdict"]) == ("Paused", "Safe")


async def test_it_takes_the_place_of_a_canary_that_was_rejected() -> None:
    """With no stable pod a bad canary would keep what it had: now somebody else can answer."""
    world = await half_backed()
    lose(world, "1")
    world.models["2"].error_rate = 1.0
    await world.until(lambda w: w.phase == "Reverted", limit=20)
    await world.run(1)
    assert world.fallback == RULES
    bad = world.answers["2", "500"]
    await world.run(20)
    assert world.answers["2", "500"] == bad
    mend(world, "1")
    await world.until(lambda w: w.routed.get("1") == 100, limit=20)
    assert world.state["weight"] == 0


async def test_it_serves_for_a_first_revision_that_is_not_ready() -> None:
    """Requests have been answered before the model ever was."""
    world = await with_rules()
    world.models["1"] = Model(loads=False)
    world.commit(fraud("1", traffic=falling_back(world)))
    await world.run(3)
    assert (world.fallback, world.condition("Serving")["reason"]) == (RULES, "FallbackServing")
    mend(world, "1")
    await world.until(lambda w: w.routed == {"1": 100}, limit=30)
    assert (world.phase, world.lost) == ("Succeeded", 0)


async def test_an_edit_of_the_route_is_put_right_both_ways() -> None:
    world = await backed()
    ours = world.route
    lose(world, "1")
    await world.run(2)
    theirs = world.route
    assert ours is not None
    assert theirs is not None

    def put(wanted: Json) -> None:
        world.api.edit(world.provider.route, "fraud", lambda live: live.update(spec=wanted["spec"]))

    put(ours)
    await world.run(1)
    assert world.fallback == RULES
    mend(world, "1")
    await world.until(lambda w: w.routed == {"1": 100}, limit=20)
    world.after_tick = lambda: None
    put(theirs)
    await world.until(lambda w: w.routed == {"1": 100}, limit=15)
    assert ("fraud", "DriftCorrected") in [(name, reason) for name, reason, _ in world.events]


async def test_it_ends_at_once_when_the_spec_names_it_no_more() -> None:
    world = await backed()
    lose(world, "1")
    await world.run(2)
    assert world.fallback == RULES
    world.commit(fraud("1"))
    await world.run(1)
    assert world.routed == {"1": 100}
    assert [one["type"] for one in world.status["conditions"]].count("FallbackServing") == 0


async def test_a_new_process_moves_nothing() -> None:
    """Before, while it serves, and on the way back, which then takes its whole time again."""
    world = await backed()
    world.restart()
    await world.run(3)
    assert world.routed == {"1": 100}
    lose(world, "1")
    await world.run(3)
    world.restart()
    await world.run(3)
    assert world.fallback == RULES
    mend(world, "1")
    await world.run(5)
    world.restart()
    await world.run(8)
    assert world.fallback == RULES
    await world.until(lambda w: w.routed == {"1": 100}, limit=5)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("write", [0, 1, 2])
async def test_a_process_that_is_killed_on_the_way_is_made_good_by_the_next(write: int, after_effect: bool) -> None:
    """To the fallback, and back."""
    world = await half_backed()
    for act, arrived in ((lose, RULES), (mend, None)):
        world.api.kill_after_effect, world.api.kill_at = after_effect, write
        act(world, "1", "2")
        await world.run(2)
        world.api.kill_at = None
        await world.until(lambda w, arrived=arrived: w.fallback == arrived, limit=40)  # type: ignore[misc]
    assert world.routed == {"1": 50, "2": 50}
    assert len([one for one in world.api.all(ROLLOUT) if one["spec"]["modelDeployment"] == "fraud"]) == 2


async def test_two_that_name_each_other_only_go_down_together() -> None:
    """Each falls back to the other's own pods, and not to where those fall back to."""
    world = await backed()
    world.commit(rules(world, fallback={"name": "fraud"}))
    world.after_tick = lambda: None
    lose(world, "1")
    await world.run(2)
    assert world.fallback == RULES
    lose(world, RULES_VERSION)
    await world.run(2)
    route = world.api.find(world.provider.route, RULES)
    assert world.fallback is None
    assert route is not None
    assert "fraud-rules-" in str(rules_of(route))
    mend(world, "1")
    await world.run(3)
    route = world.api.find(world.provider.route, RULES)
    split = world.provider.read(route) if route else None
    assert split is not None
    assert (split.fallback, world.routed) == ("fraud", {"1": 100})


async def test_a_cohort_falls_back_with_all_others() -> None:
    """Stable has lost its pods, and the canary only has a cohort: nobody is left to the one or the other."""
    steps = [{"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "a"}}]}}, {"pause": {}}]
    world = await backed(steps=steps)
    world.models["2"] = Model()
    world.commit(fraud("2", steps=steps, traffic=falling_back(world)))
    await world.until(lambda w: bool(w.split and w.split.matches), limit=20)
    lose(world, "1")
    await world.run(1)
    assert world.fallback == RULES
    await world.until(lambda w: w.routed.get("2") == 100, limit=30)
    assert world.reason in {"StableFailing", "Guarding", "StageBegan"}
