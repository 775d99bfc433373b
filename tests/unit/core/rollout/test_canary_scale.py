"""How many pods a scale brings, what waits for them, and how it is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.canary import Step
from serinus.api.canary_scale import CanaryScale
from serinus.api.rollout import PodCounts, Promote
from serinus.api.status import Phase
from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet
from serinus.core.rollout.decide import decide
from serinus.core.rollout.gates import canary_not_ready
from serinus.core.rollout.lives import cold_since
from serinus.core.rollout.question import Question
from serinus.core.rollout.records import Cause, recorded
from serinus.core.rollout.sizes import canary_pods, canary_replicas, needed_replicas
from serinus.core.rollout.verbs.steps import needs_pods, read_verb, scale_at, verb_at
from serinus.core.rollout.waiting import overdue_pods, timed_wait
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, fleet, plan, seen

COHORT: Json = {"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}}
MATCH: Json = {"setCanaryScale": {"matchTrafficWeight": True}}
STEPS: list[Json] = [
    {"setCanaryScale": {"replicas": 3}},
    {"setWeight": 10},
    {"pause": {"duration": "10s"}},
    {"setCanaryScale": {"weight": 75}},
    {"setWeight": 50},
    MATCH,
    {"pause": {}},
]
SCALED = plan(steps=STEPS)
LOADED = PodCounts(full=4, min_replicas=4, carried=4, load_seconds=4.0)


def by_replicas(number: int) -> Json:
    return {"setCanaryScale": {"replicas": number}}


@pytest.mark.parametrize(
    ("of", "step", "scale"),
    [
        pytest.param(plan(), 2, {"matchTrafficWeight": True}, id="no such step"),
        pytest.param(SCALED, -1, {"matchTrafficWeight": True}, id="before the first one"),
        pytest.param(SCALED, 0, {"replicas": 3}, id="in the step itself"),
        pytest.param(SCALED, 2, {"replicas": 3}, id="after it"),
        pytest.param(SCALED, 4, {"weight": 75}, id="another one takes its place"),
        pytest.param(SCALED, 7, {"matchTrafficWeight": True}, id="the weight's again"),
        pytest.param(plan(steps=STEPS[:5]), 5, {"weight": 75}, id="at 100 %"),
        pytest.param(plan(steps=STEPS, stable=None), 2, {"matchTrafficWeight": True}, id="the first revision"),
        pytest.param(plan(steps=STEPS, promote=Promote(full=True)), 2, {"matchTrafficWeight": True}, id="promoted"),
    ],
)
def test_the_scale_in_force_is_the_last_one_up_to_the_step(of: RolloutPlan, step: int, scale: Json) -> None:
    """Derived from the step alone; who passes over the steps has none."""
    assert scale_at(of, step) == CanaryScale.parse(scale)


@pytest.mark.parametrize(
    ("step", "weight", "min_replicas", "pods"),
    [
        pytest.param(0, 0, 10, 3, id="before the first weight"),
        pytest.param(1, 10, 10, 3, id="beside a weight that needs one"),
        pytest.param(1, 10, 50, 5, id="a weight that needs more has more"),
        pytest.param(3, 10, 10, 8, id="75 % of ten, rounded up"),
        pytest.param(4, 50, 10, 8, id="more than half"),
        pytest.param(5, 50, 10, 5, id="back to half"),
        pytest.param(7, 50, 10, 10, id="full size before 100 %"),
    ],
)
def test_the_canary_has_the_pods_of_its_weight_or_of_its_scale(
    step: int, weight: int, min_replicas: int, pods: int
) -> None:
    """Whichever are more, both as given and as waited for."""
    state = at_step(step, weight)
    assert canary_pods(SCALED, state, min_replicas, NOW) == pods
    assert needed_replicas(SCALED, state, min_replicas, NOW) == pods


@pytest.mark.parametrize(("weight", "pods"), [(0, 1), (30, 2)])
def test_an_ended_rollout_has_no_scale(weight: int, pods: int) -> None:
    """Only pods for the weight that it still has."""
    assert canary_pods(SCALED, at_step(2, weight, phase=Phase.REVERTED), 4, NOW) == pods


def test_a_share_is_of_what_an_autoscaler_has_given_stable() -> None:
    """As a weight's is: 75 % of twenty, where minReplicas is four."""
    state = at_step(3, 10, pods=PodCounts(full=20, min_replicas=4))
    assert canary_pods(SCALED, state, 4, NOW) == needed_replicas(SCALED, state, 4, NOW) == 15


SCALES = st.one_of(
    st.builds(lambda number: CanaryScale(replicas=number), st.integers(1, 1000)),
    st.builds(lambda weight: CanaryScale(weight=weight), st.integers(1, 100)),
    st.just(CanaryScale(match_traffic_weight=True)),
)
ANY_STEPS = st.lists(
    st.one_of(
        st.builds(lambda weight: Step(set_weight=weight), st.integers(1, 100)),
        st.builds(lambda scale: Step(set_canary_scale=scale), SCALES),
        st.just(Step.parse({"pause": {"duration": "10s"}})),
    ),
    min_size=1,
    max_size=6,
)


@st.composite
def states(draw: st.DrawFn, steps: int, min_replicas: int) -> RolloutState:
    """Anywhere in the steps, with any weight, in a stage that had begun with any number of pods."""
    full = draw(st.integers(0, 1000))
    pods = PodCounts(full=full, min_replicas=min(full, min_replicas), load_seconds=draw(st.sampled_from([0.0, 60.0])))
    return at_step(draw(st.integers(0, steps)), draw(st.integers(0, 100)), pods=pods)


@given(ANY_STEPS, st.integers(1, 1000), st.data())
def test_never_fewer_pods_than_the_weight_needs(steps: list[Step], min_replicas: int, data: st.DataObject) -> None:
    """Nor than a gate waits for, whatever the scale; and never more than somebody has asked for."""
    of = with_steps(steps)
    state = data.draw(states(len(steps), min_replicas))
    pods, needed = canary_pods(of, state, min_replicas, NOW), needed_replicas(of, state, min_replicas, NOW)
    rises_to = verb_at(of, state.step).shows(state.exposure).weight
    assert pods >= canary_replicas(max(state.exposure.weight, rises_to), min_replicas)
    assert pods >= needed
    replicas = (one.set_canary_scale.replicas or 0 for one in steps if one.set_canary_scale)
    assert pods <= max(state.pods.full, min_replicas, *replicas)


def with_steps(steps: list[Step]) -> RolloutPlan:
    canary = SCALED.policy.strategy.canary.model_copy(update={"steps": tuple(steps)})
    strategy = SCALED.policy.strategy.model_copy(update={"canary": canary})
    return replace(SCALED, policy=SCALED.policy.model_copy(update={"strategy": strategy}))


@pytest.mark.parametrize(
    ("step", "text", "waits"),
    [
        pytest.param(by_replicas(3), "setCanaryScale replicas 3", True, id="replicas"),
        pytest.param({"setCanaryScale": {"weight": 25}}, "setCanaryScale weight 25", True, id="weight"),
        pytest.param(MATCH, "setCanaryScale matchTrafficWeight", False, id="matchTrafficWeight"),
    ],
)
def test_how_a_scale_is_read_and_told(step: Json, text: str, waits: bool) -> None:
    """It shows nobody anything, and waits for pods where it asks for some."""
    verb, before = read_verb(Step.parse(step)), Exposure(25)
    assert (verb.text, verb.for_people, verb.ends_at(NOW)) == (text, False, None)
    assert verb.shows(before) == before
    assert needs_pods(plan(steps=[step, *STEPS]), at_step(0, 0)) is waits


@pytest.mark.parametrize(
    ("canary", "says"),
    [
        pytest.param(fleet(3, 3), None, id="all there"),
        pytest.param(fleet(1, 3), "1 of 3 canary pods are ready for setCanaryScale replicas 3", id="on their way"),
        pytest.param(
            fleet(2, 2, scaled_by_other=True, scaler="HorizontalPodAutoscaler mine"),
            "2 of 3 canary pods are ready for setCanaryScale replicas 3: HorizontalPodAutoscaler mine asks for 2,"
            " setCanaryScale needs 3",
            id="an autoscaler decides",
        ),
    ],
)
def test_what_a_scale_waits_for_is_said_by_its_name(canary: Fleet, says: str | None) -> None:
    """In its own step, and in later ones that still need its pods."""
    snapshot = seen(fleets={STABLE: fleet(), CANARY: canary})
    for state in (at_step(0, 0), at_step(1, 0)):
        cause = canary_not_ready(Question(SCALED, state, snapshot, NOW))
        assert (cause.message if cause else None) == says


def test_a_weight_that_needs_more_than_the_scale_is_not_laid_to_the_scale() -> None:
    state = at_step(7, 50)
    cause = canary_not_ready(Question(SCALED, state, seen(fleets={CANARY: fleet(2, 4)}), NOW))
    assert cause is not None
    assert cause.message == "2 of 4 canary pods are ready"


@pytest.mark.parametrize(
    ("steps", "pods"),
    [
        pytest.param([by_replicas(3)], 3, id="of a scale"),
        pytest.param([by_replicas(3), {"setWeight": 100}], 3, id="of the scale, as the weight comes after it"),
        pytest.param([MATCH, {"setWeight": 50}], 2, id="of a weight, as matchTrafficWeight waits for none"),
        pytest.param([{"pause": {"duration": "1h"}}, {"setWeight": 50}], 2, id="of a weight after another pause"),
    ],
)
def test_the_pods_of_the_next_scale_start_before_the_pause_is_over(steps: list[Json], pods: int) -> None:
    """By the time that loading has taken, and half as much again."""
    of = plan(steps=[{"setWeight": 10}, {"pause": {"duration": "10s"}}, *steps])
    early, late = (at_step(1, 10, step_started_at=NOW - passed, pods=LOADED) for passed in (3.0, 5.0))
    assert canary_pods(of, early, 4, NOW) == 1
    assert canary_pods(of, late, 4, NOW) == pods


def test_a_scale_in_force_stays_while_smaller_ones_start_early() -> None:
    """Nothing is taken before its step."""
    of = plan(steps=[by_replicas(6), {"setWeight": 10}, {"pause": {"duration": "10s"}}, by_replicas(2)])
    assert canary_pods(of, at_step(2, 10, step_started_at=NOW - 9.0, pods=LOADED), 4, NOW) == 6


def waiting(step: int, weight: int, **fields: Any) -> tuple[float | None, bool]:
    """Since when it waits, and whether that is too long; one of three pods is ready."""
    snapshot = seen(fleets={STABLE: fleet(), CANARY: fleet(1, 3)})
    state = timed_wait(SCALED, at_step(step, weight, **fields), snapshot, NOW)
    return state.waiting_since, overdue_pods(SCALED, state, snapshot, NOW) is not None


@pytest.mark.parametrize(
    ("step", "weight", "since", "over"),
    [
        pytest.param(0, 0, NOW, False, id="a scale begins to wait"),
        pytest.param(0, 0, NOW - 60, True, id="for too long"),
        pytest.param(2, 10, None, False, id="a pause waits for no pod"),
        pytest.param(5, 50, None, False, id="matchTrafficWeight waits for none"),
    ],
)
def test_the_wait_for_a_scale_counts_towards_the_deadline(
    step: int, weight: int, since: float | None, over: bool
) -> None:
    assert waiting(step, weight, waiting_since=since) == (since, over)


@pytest.mark.parametrize(
    ("step", "ready", "reason"),
    [
        pytest.param(1, 3, "AllReady", id="as many as it has reached"),
        pytest.param(1, 2, "CanaryShort", id="it has lost one of them"),
        pytest.param(3, 3, "AllReady", id="a larger scale is on its way"),
        pytest.param(5, 2, "AllReady", id="a scale that was given up"),
    ],
)
def test_a_scale_is_missed_once_it_has_been_reached(step: int, ready: int, reason: str) -> None:
    """Pods that are on their way are no shortfall."""
    steps = [*STEPS[:3], by_replicas(6), {"pause": {}}, MATCH, {"pause": {}}]
    of, state = plan(steps=steps), at_step(step, 10, pods=LOADED, phase=Phase.PROGRESSING)
    status = decide(seen(replace(state), of=of, fleets={STABLE: fleet(), CANARY: fleet(ready, 6)}), NOW).status
    assert next(one for one in status.conditions if one.type == "Degraded").reason == reason


@pytest.mark.parametrize(
    ("records", "minute"),
    [
        pytest.param([("Scaled", 0), ("Raised", 10)], 1, id="before the first weight nobody asks its pods"),
        pytest.param([("Raised", 10), ("Scaled", 10)], 1, id="in a stage it brings cold ones"),
        pytest.param([("Raised", 10), ("Scaled", 10), ("Held", 10), ("Raised", 25)], 1, id="which are warm later"),
    ],
)
def test_pods_of_a_scale_are_cold_when_it_is_reached(records: list[tuple[str, int]], minute: int) -> None:
    state = replace(at_step(2, 10), stage_started_at=NOW, pods=LOADED)
    for number, (action, weight) in enumerate(records):
        cause, at = Cause(f"Reason{number}", ""), NOW + 60 * number
        state = recorded(SCALED, replace(state, exposure=Exposure(weight)), action, cause, at)  # type: ignore[arg-type]
    assert cold_since(state) == NOW + 60 * minute
