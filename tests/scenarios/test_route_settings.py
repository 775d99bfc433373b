"""Timeouts, retries, limits and the header of answers are live: no split changes, no revision is made."""

from __future__ import annotations

from typing import Any

from serinus.core.model.kinds import DESTINATION_RULE, Json
from tests.scenarios.apis import WITH_EACH_API
from tests.support.invariants import Watchdog
from tests.support.world import World, fraud, serving, trying
from tests.support.world.given import HALF, routed_by
from tests.support.world.world import rules_of


def commit(world: World, version: str, **settings: Any) -> None:
    """Commit the same version with other settings of its routes."""
    world.commit(fraud(version, steps=HALF, traffic={**routed_by(world.routing), **settings}))


def live_rules(world: World) -> list[Json]:
    assert world.route is not None
    return rules_of(world.route)


def timeouts(world: World) -> set[str | None]:
    return {rule.get("timeout") or rule.get("timeouts", {}).get("request") for rule in live_rules(world)}


def forget_headers(route: Json) -> None:
    """Make it a route of the version before this one."""
    for rule in rules_of(route):
        for destination in rule.get("route") or rule["backendRefs"]:
            destination.pop("headers", None)
            destination.pop("filters", None)


def names(world: World) -> list[list[bool]]:
    """Tell of each destination whether it names its revision in answers."""
    return [
        [("headers" in to or "filters" in to) for to in rule.get("route") or rule["backendRefs"]]
        for rule in live_rules(world)
    ]


@WITH_EACH_API
async def test_a_timeout_that_changes_in_mid_rollout_keeps_the_split() -> None:
    """Both rules have it within a second; the rollout stays where it is."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    for wanted in ("30s", "1m30s", None):
        commit(world, "2", timeout=wanted) if wanted else commit(world, "2")
        await world.run(1)
        assert timeouts(world) == {wanted}
        assert (world.routed, world.phase, len(world.rollouts)) == ({"1": 50, "2": 50}, "Paused", 2)


@WITH_EACH_API
async def test_a_revert_keeps_the_settings() -> None:
    world = await trying(at=50, steps=HALF, traffic={**routed_by(World().routing), "timeout": "30s"})
    world.models["2"].error_rate = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.routed["1"] == 100
    assert timeouts(world) == {"30s"}


@WITH_EACH_API
async def test_a_timeout_of_all_rules_that_a_hand_has_set_goes_again() -> None:
    """The user could have asked for it, and has not."""
    world = await serving()

    def edit(route: Json) -> None:
        for rule in rules_of(route):
            rule.update({"timeout": "1s"} if "route" in rule else {"timeouts": {"request": "1s"}})

    world.api.edit(world.provider.route, "fraud", edit)
    await world.settle()
    assert timeouts(world) == {None}
    assert world.routed == {"1": 100}


@WITH_EACH_API
async def test_answers_name_their_revision_until_that_is_turned_off() -> None:
    world = await trying(at=50, steps=HALF)
    Watchdog(world)
    assert names(world) == [[True, True]] * 2
    commit(world, "2", revisionHeader=False)
    await world.run(1)
    assert names(world) == [[False, False]] * 2
    assert world.routed == {"1": 50, "2": 50}


@WITH_EACH_API
async def test_an_upgrade_reads_the_split_of_the_version_before() -> None:
    """Its routes lack the header: the new process adds it, and moves no request."""
    world = await trying(at=50, steps=HALF)
    await world.run(3)
    Watchdog(world)
    world.api.edit(world.provider.route, "fraud", forget_headers)
    assert world.routed == {"1": 50, "2": 50}
    world.restart()
    await world.run(3)
    assert names(world) == [[True, True]] * 2
    assert (world.routed, world.phase) == ({"1": 50, "2": 50}, "Paused")


async def test_retries_and_limits_come_and_go_in_mid_rollout() -> None:
    """The limits are both revisions'; Istio alone has them."""
    world = await trying(at=50, steps=HALF)
    Watchdog(world)
    commit(world, "2", retries={"attempts": 2, "retryOn": ["5xx"]}, circuitBreaker={})
    await world.run(1)
    assert {str(rule["retries"]) for rule in live_rules(world)} == {str({"attempts": 2, "retryOn": "5xx"})}
    policies = [one["spec"]["trafficPolicy"] for one in world.api.all(DESTINATION_RULE)]
    assert ["connectionPool" in one for one in policies] == [True, True]
    commit(world, "2")
    await world.run(1)
    assert all(rule["retries"] == {"attempts": 0} for rule in live_rules(world))
    assert not any("connectionPool" in one["spec"]["trafficPolicy"] for one in world.api.all(DESTINATION_RULE))
    assert (world.routed, len(world.rollouts)) == ({"1": 50, "2": 50}, 2)
