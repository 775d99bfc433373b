"""The gates before the weight may rise: each one alone, and the order in which people are told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.parsing import ModelDeploymentView
from serinus.api.rollout import Promote
from serinus.api.status import Verdict
from serinus.core.model.assessment import Assessment, Finding, Reason
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Obstacle, Probed, Snapshot
from serinus.core.rollout.decide import decide
from serinus.core.rollout.gates import GATES, POD_GATES, first_refusal, overdue, waits_for_pods
from serinus.core.rollout.question import Question
from serinus.core.rollout.walk import walk
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, deployment, fleet, look, plan, reading, seen

BEFORE = at_step(0, 0)
ABOVE = at_step(2, 10)


def assessed(verdict: Verdict, at: float = NOW) -> Assessment:
    reason = Reason.WITHIN_LIMITS if verdict is Verdict.SAFE else Reason.NO_TRAFFIC
    return Assessment(at, verdict, reason, Finding("error-rate", verdict, reason, "so it is", "query"))


def served_by(server: str) -> ModelDeploymentView:
    return deployment(runtime={"image": "i", "type": server})


def refusal(snapshot: Snapshot, state: RolloutState, of: RolloutPlan | None = None) -> str | None:
    cause = first_refusal(Question(of or plan(), state, snapshot, NOW))
    return cause.reason if cause else None


def test_the_order_of_the_gates_is_the_order_in_which_people_are_told() -> None:
    """An SRE's own wish first, then what is in the way, then pods, then metrics."""
    assert [gate.__name__ for gate in GATES] == [
        "paused_by_user",
        "status_refused",
        "obstacle_in_the_way",
        "canary_not_ready",
        "artifact_in_doubt",
        "service_missing",
        "probe_not_answered",
        "gateways_just_told",
        "stable_not_ready",
        "metrics_unreachable",
        "route_not_followed",
        "not_safe",
    ]


def test_only_the_gates_about_pods_count_against_the_deadline() -> None:
    """Pauses, obstacles, blindness and doubt are no fault of the canary."""
    names = ["canary_not_ready", "artifact_in_doubt", "service_missing", "probe_not_answered"]
    assert [gate.__name__ for gate in POD_GATES] == names


def test_nothing_refuses_the_first_weight_of_a_canary_that_is_ready() -> None:
    """Its pods are ready, its Service exists, and Prometheus answers."""
    assert refusal(seen(BEFORE), BEFORE) is None


def test_nothing_refuses_a_higher_weight_after_a_safe_assessment_of_this_stage() -> None:
    """Safe, and younger than the stage."""
    state = replace(ABOVE, assessment=assessed(Verdict.SAFE))
    assert refusal(seen(state), state) is None


def test_a_pod_out_of_the_operators_reach_holds_nothing_up() -> None:
    """The kubelet has asked it."""
    state = replace(ABOVE, assessment=assessed(Verdict.SAFE))
    out_of_reach = {STABLE: fleet(), CANARY: fleet(probed=Probed.UNREACHABLE)}
    assert refusal(seen(state, fleets=out_of_reach), state) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"fleets": {STABLE: fleet(), CANARY: fleet(0)}}, "CanaryNotReady", id="no pod is ready"),
        pytest.param({"fleets": {STABLE: fleet()}}, "CanaryNotReady", id="there is no Deployment"),
        pytest.param(
            {"fleets": {CANARY: replace(fleet(), service_exists=False)}}, "ServiceMissing", id="there is no Service"
        ),
        pytest.param({"fleets": {CANARY: fleet(probed=Probed.WAITING)}}, "ProbeWaiting", id="the probe is under way"),
        pytest.param({"fleets": {CANARY: fleet(probed=Probed.FAILED)}}, "ProbeFailed", id="the probe failed"),
        pytest.param({"look": None}, "MetricsUnreachable", id="nobody has looked"),
        pytest.param({"look": look(at=NOW - 60)}, "MetricsUnreachable", id="the look is old"),
        pytest.param({"look": look(reading(None))}, "MetricsUnreachable", id="Prometheus is unreachable"),
        pytest.param(
            {"look": look(reading(None, reason=Reason.REFUSED))}, "MetricsUnreachable", id="Prometheus refuses"
        ),
        pytest.param({"obstacle": Obstacle("HostConflict", "theirs")}, "HostConflict", id="an obstacle"),
    ],
)
def test_what_refuses_the_first_weight(changes: dict[str, object], reason: str) -> None:
    """One thing each."""
    assert refusal(seen(BEFORE, **changes), BEFORE) == reason


@pytest.mark.parametrize(
    ("server", "since", "reason"),
    [
        pytest.param("openai", 0.4, "CanaryJustReady", id="a pod that has just become ready"),
        pytest.param("openai", 1.0, None, id="one that was ready a second ago"),
        pytest.param("triton", 0.4, None, id="a server that takes sample requests"),
    ],
)
def test_the_first_weight_waits_until_the_gateways_know_the_pod(server: str, since: float, reason: str | None) -> None:
    """They hear of it by another way than of the weight; what comes between is answered 503."""
    there = seen(BEFORE, deployment=served_by(server), up_since={CANARY: NOW - since})
    assert refusal(there, BEFORE) == reason


def test_a_higher_weight_waits_for_no_gateway() -> None:
    """The pods that came before answer meanwhile."""
    state = replace(ABOVE, assessment=assessed(Verdict.SAFE))
    assert refusal(seen(state, deployment=served_by("openai"), up_since={CANARY: NOW - 0.1}), state) is None


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(look(reading(None, reason=Reason.NO_TRAFFIC)), id="no traffic yet"),
        pytest.param(look(reading(None, reason=Reason.NOT_A_NUMBER)), id="not a number"),
        pytest.param(look(reading(0.9)), id="a bad value of before"),
    ],
)
def test_the_first_weight_needs_a_source_that_answers_and_no_verdict(missing: object) -> None:
    """There is nothing to judge before it."""
    assert refusal(seen(BEFORE, look=missing), BEFORE) is None


def test_a_first_look_that_is_on_its_way_is_told_to_nobody() -> None:
    """Pods may be ready some tenths of a second before it: what was said of them stands, and nothing is written."""
    state = replace(BEFORE, reason="CanaryNotReady", message="0 of 1 canary pods are ready")
    young = seen(state, look=None, watched_since=NOW - 0.5)
    after = walk(plan(), state, young, NOW)
    assert (after.reason, after.decisions) == ("CanaryNotReady", state.decisions)
    assert decide(young, NOW).wake_at == NOW + 1.5
    assert walk(plan(), after, young, NOW + 1.5).reason == "MetricsUnreachable"


def test_who_has_nothing_else_to_say_says_that_metrics_come() -> None:
    """A rollout whose pods are ready from the beginning."""
    young = seen(BEFORE, look=None, watched_since=NOW)
    assert walk(plan(), BEFORE, young, NOW).reason == "NoAssessment"


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        pytest.param(ABOVE, "NoAssessment", id="not assessed"),
        pytest.param(
            replace(ABOVE, assessment=assessed(Verdict.SAFE, NOW - 30)),
            "NoAssessment",
            id="assessed too early",
        ),
        pytest.param(replace(ABOVE, assessment=assessed(Verdict.UNDECIDED)), "NoTraffic", id="undecided"),
        pytest.param(replace(ABOVE, assessment=assessed(Verdict.BLIND)), "NoTraffic", id="blind"),
    ],
)
def test_what_refuses_a_higher_weight(state: RolloutState, reason: str) -> None:
    """Only a Safe assessment of this very stage lets it rise."""
    assert refusal(seen(state), state) == reason


@pytest.mark.parametrize("state", [BEFORE, ABOVE], ids=["first weight", "higher weight"])
def test_promote_full_overrides_metrics_and_no_pods(state: RolloutState) -> None:
    """An SRE may decide without numbers, never without pods."""
    promoted = plan(promote=Promote(full=True))
    assert refusal(seen(state, look=None), state, promoted) is None
    few = {STABLE: fleet(), CANARY: fleet(3)}
    assert refusal(seen(state, fleets=few), state, promoted) == "CanaryNotReady"


@pytest.mark.parametrize(("weight", "step", "needed"), [(0, 0, 1), (10, 2, 2), (50, 4, 4)])
def test_pods_must_be_ready_for_the_weight_that_comes_next(weight: int, step: int, needed: int) -> None:
    """ceil(weight/100 x minReplicas) of the next weight."""
    state = replace(at_step(step, weight), assessment=assessed(Verdict.SAFE))
    enough, too_few = ({CANARY: fleet(number)} for number in (needed, needed - 1))
    assert refusal(seen(state, fleets=enough), state) is None
    assert refusal(seen(state, fleets=too_few), state) == "CanaryNotReady"


def test_the_reason_of_a_diagnosis_is_the_reason_of_the_wait() -> None:
    """Triton's own words, where it has spoken."""
    ill = fleet(0, obstacle=Obstacle("ModelLoadFailed", "no model.onnx"))
    cause = waits_for_pods(Question(plan(), BEFORE, seen(BEFORE, fleets={CANARY: ill}), NOW))
    assert cause is not None
    assert (cause.reason, cause.message) == ("ModelLoadFailed", "0 of 1 canary pods are ready: no model.onnx")


@pytest.mark.parametrize(("age", "late"), [(5.0, False), (5.01, True)])
def test_a_look_is_overdue_after_three_intervals_and_two_seconds(age: float, late: bool) -> None:
    """From both sides."""
    assert overdue(plan(), NOW - age, NOW) is late
