"""How many pods each revision is given, and how many the canary needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.rollout import PodCounts, Promote
from serinus.api.status import Phase
from serinus.core.model.snapshot import Fleet, RolloutSeen, Snapshot
from serinus.core.rollout.decide import decide
from serinus.core.rollout.sizes import canary_pods, needed_replicas, pod_counts, stable_pods, stage_counts
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, deployment, fleet, plan, seen

SCALED = {"scaled_by_other": True, "scaler": "HorizontalPodAutoscaler fraud"}


def with_fleets(stable: Fleet, canary: Fleet | None = None, **fields: object) -> Snapshot:
    """A snapshot in which the pods of stable, and of the canary, are as said."""
    return seen(at_step(1, 10), fleets={STABLE: stable, CANARY: canary or fleet(1, 1)}, **fields)


@pytest.mark.parametrize(("step", "weight", "pods"), [(0, 0, 1), (1, 10, 1), (2, 10, 5), (3, 50, 5), (4, 50, 10)])
def test_pods_are_made_ready_for_the_weight_of_the_step(step: int, weight: int, pods: int) -> None:
    """Before it rises, and no sooner than in its step."""
    assert needed_replicas(plan(), at_step(step, weight), 10, NOW) == pods
    assert canary_pods(plan(), at_step(step, weight), 10, NOW) == pods


def test_an_ended_rollout_needs_pods_for_the_weight_that_it_still_has() -> None:
    """And for none when it has none."""
    assert canary_pods(plan(), at_step(2, 30, phase=Phase.REVERTED), 10, NOW) == 3


@pytest.mark.parametrize(("replicas", "needed"), [(1, 1), (4, 1), (10, 1), (11, 2), (100, 10)])
def test_a_canary_of_ten_percent_needs_a_tenth_of_the_pods(replicas: int, needed: int) -> None:
    """Rounded up, at least one."""
    assert needed_replicas(plan(), at_step(0, 0), replicas, NOW) == needed


def test_promoted_in_full_it_needs_all_pods() -> None:
    """Whatever step it is in."""
    assert needed_replicas(plan(promote=Promote(full=True)), at_step(0, 0), 7, NOW) == 7


def test_what_is_needed_is_fixed_when_a_stage_begins_and_what_is_given_follows_the_spec() -> None:
    """minReplicas raised from 4 to 12 in a stage: twelve pods are asked for, the rise waits for four."""
    state = at_step(4, 50, pods=PodCounts(full=4, min_replicas=4))
    assert needed_replicas(plan(), state, 12, NOW) == 4
    assert canary_pods(plan(), state, 12, NOW) == 12


def test_minreplicas_that_is_lowered_in_a_stage_frees_the_rollout() -> None:
    """A cluster without room for twelve: the team asks for four, and four are enough."""
    state = at_step(4, 50, pods=PodCounts(full=12, min_replicas=12))
    assert needed_replicas(plan(), state, 4, NOW) == 4
    assert canary_pods(plan(), state, 4, NOW) == 4


def test_the_canary_follows_what_stable_really_has() -> None:
    """Twenty pods by an autoscaler, minReplicas 4: half of the traffic takes ten."""
    snapshot = with_fleets(fleet(20, 20, **SCALED))
    counts = stage_counts(plan(), at_step(2, 10), snapshot)
    assert (counts.full, counts.min_replicas) == (20, 4)
    state = at_step(2, 10, pods=counts)
    assert needed_replicas(plan(), state, 4, NOW) == canary_pods(plan(), state, 4, NOW) == 10


def test_a_stable_that_a_hand_has_scaled_changes_no_size() -> None:
    """It is put right; only a scaler's number is what stable needs."""
    assert stage_counts(plan(), at_step(2, 10), with_fleets(fleet(20, 20))).full == 4


@pytest.mark.parametrize(
    ("ready", "known", "carried"),
    [
        pytest.param(4, 0, 4, id="minReplicas when it begins"),
        pytest.param(1, 0, 4, id="not what an autoscaler left of it"),
        pytest.param(20, 0, 20, id="more, where there are more"),
        pytest.param(1, 20, 20, id="the most since then"),
    ],
)
def test_what_carried_stables_traffic_is_remembered(ready: int, known: int, carried: int) -> None:
    """The larger of minReplicas when the rollout began and the most ready pods since."""
    state = at_step(1, 10, pods=PodCounts(carried=known, full=4 if known else 0, min_replicas=4 if known else 0))
    assert pod_counts(plan(), state, with_fleets(fleet(ready, ready, **SCALED))).carried == carried


def test_stable_keeps_what_carried_its_traffic_while_something_is_tried() -> None:
    """minReplicas is lowered from 8 to 4: the way back needs eight."""
    state = at_step(1, 10, pods=PodCounts(carried=8, full=4, min_replicas=4))
    active = RolloutSeen(plan(), state)
    snapshot = with_fleets(fleet(8, 8))
    assert stable_pods(snapshot, STABLE, active) == 8
    assert stable_pods(snapshot, STABLE, None) == 4


@pytest.mark.parametrize(
    ("phase", "desired", "given"),
    [
        pytest.param(Phase.PROGRESSING, 3, None, id="a scaler owns the number"),
        pytest.param(Phase.PENDING, 0, 1, id="a stable at zero is woken"),
        pytest.param(Phase.REVERTED, 1, 8, id="a revert takes what it needs"),
        pytest.param(Phase.REVERTED, 12, 12, id="and lowers nothing"),
    ],
)
def test_against_a_scaler_we_speak_up_twice(phase: Phase, desired: int, given: int | None) -> None:
    """To wake a stable at zero, and to give a revert its pods."""
    state = at_step(1, 50, phase=phase, pods=PodCounts(carried=8, full=8, min_replicas=4))
    snapshot = with_fleets(fleet(min(1, desired), desired, **SCALED))
    assert stable_pods(snapshot, STABLE, RolloutSeen(plan(), state)) == given


def test_the_promoted_revision_keeps_what_it_took_over_until_minreplicas_changes() -> None:
    """Twenty pods by an autoscaler of the revision before it; its own Deployment has no autoscaler yet."""
    won = at_step(
        4, 100, phase=Phase.SUCCEEDED, settled_at=NOW - 5, finished_at=NOW - 5, pods=PodCounts(full=20, min_replicas=4)
    )
    snapshot = replace(with_fleets(fleet()), rollouts=(RolloutSeen(plan(), won),))
    assert stable_pods(snapshot, CANARY, None) == 20
    edited = replace(snapshot, deployment=deployment(scaling={"minReplicas": 6}))
    assert stable_pods(edited, CANARY, None) == 6


def test_the_pods_of_the_next_weight_start_before_the_pause_is_over() -> None:
    """By the time that loading has taken, and half as much again."""
    pods = PodCounts(full=4, min_replicas=4, carried=4, load_seconds=4.0)
    early, late = (at_step(1, 10, step_started_at=NOW - passed, pods=pods) for passed in (3.0, 5.0))
    assert canary_pods(plan(), early, 4, NOW) == 1
    assert canary_pods(plan(), late, 4, NOW) == 2
    decision = decide(seen(early, fleets={STABLE: fleet(), CANARY: fleet(1, 1)}), NOW)
    assert decision.wake_at is not None
    assert decision.wake_at <= NOW + 1.0


@pytest.mark.parametrize(
    ("stable", "canary", "reason"),
    [
        pytest.param(fleet(4, 4), fleet(4, 4), None, id="all there"),
        pytest.param(fleet(1, 1, **SCALED), fleet(4, 4), "WayBackShort", id="a scaler has shrunk stable"),
        pytest.param(fleet(4, 4), fleet(1, 2), "CanaryShort", id="the canary has lost a pod"),
    ],
)
def test_a_shortfall_is_said_and_ends_nothing(stable: Fleet, canary: Fleet, reason: str | None) -> None:
    """With the number that it takes."""
    state = at_step(3, 50, pods=PodCounts(carried=4, full=4, min_replicas=4))
    status = decide(seen(state, fleets={STABLE: stable, CANARY: canary}), NOW).status
    degraded = next(one for one in status.conditions if one.type == "Degraded")
    assert degraded.reason == (reason or "AllReady")
    assert reason != "WayBackShort" or "HorizontalPodAutoscaler fraud" in degraded.message
