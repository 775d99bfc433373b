"""What `status` shows: each test is a question that somebody asks at 3 a.m."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serinus.core.model.kinds import Json
from tests.unit.cli.explain_given import comparison
from tests.unit.cli.given import (
    CANARY,
    GOAL_TEXT,
    ROLLOUT,
    STABLE,
    WORDS_THAT_MIGHT_BE_MARKUP,
    FakeCluster,
    cluster,
    condition,
    deployment,
    reverted,
    rollout,
    say,
    split_test,
)

ENDED = "2026-01-01T00:01:00Z"
REJECTED = [condition("Stalled", "True", "RevisionRejected", "version 42 was taken back by Rollout x")]


def _page(*rollouts: Json, **status: Any) -> str:
    answer = say(cluster(*rollouts, **status), "status", "fraud")
    assert answer.exit_code == 0, answer.stderr
    return "\n".join(" ".join(line.split()) for line in answer.stdout.splitlines())


def test_what_serves_and_what_is_tried_at_which_weight() -> None:
    """Version, revision, weight and pods of both sides."""
    page = _page(rollout())
    assert "Stable version 41 (fraud-aaaaaaaaaa) 95% 2 of 2 pods ready" in page
    assert "Canary version 42 (fraud-bbbbbbbbbb) 5% 1 of 1 pods ready" in page


def test_which_model_each_side_has_fetched() -> None:
    """What an alias stood for, and the digest; of a model that is mounted there is nothing to say."""
    digest = f"sha256:{'ab' * 32}"
    pods = {"version": "41", "readyReplicas": 2, "replicas": 2}
    stable = {"revision": STABLE, **pods, "digest": digest, "resolved": "mlflow://models/fraud/7"}
    page = _page(rollout(), stable=stable)
    assert f"mlflow://models/fraud/7 {digest}" in page
    assert page.count("sha256:") == 1
    told = json.loads(say(cluster(rollout(), stable=stable), "status", "fraud", "--json").stdout)
    assert (told["stable"]["digest"], told["stable"]["resolved"]) == (digest, "mlflow://models/fraud/7")
    assert told["canary"]["digest"] is None


@pytest.mark.parametrize("words", WORDS_THAT_MIGHT_BE_MARKUP)
def test_what_a_user_wrote_is_shown_as_it_is(words: str) -> None:
    """An address that a version stands for, and a message: none of them is markup."""
    stable = {"revision": STABLE, "version": "41", "readyReplicas": 2, "replicas": 2, "digest": "sha256:ab"}
    page = _page(reverted(message=f"why {words}"), stable={**stable, "resolved": f"s3://b/{words}/x"})
    assert f"s3://b/{words}/x sha256:ab" in page
    assert f"LimitExceeded: why {words}" in page


@pytest.mark.parametrize(
    ("traffic", "told"),
    [
        pytest.param(
            {"sessionAffinity": {"cookie": {}}}, "5% 1 of 1 pods ready has had 2% of the requests", id="sticky"
        ),
        pytest.param({}, "5% 1 of 1 pods ready\n", id="not sticky"),
    ],
)
def test_the_share_that_a_canary_of_sticky_users_had_is_beside_its_weight(traffic: Json, told: str) -> None:
    """Users who stay with stable are not the canary's, whatever its weight."""
    counted = comparison(requestsCanary=20, requestsStable=980)
    fake = cluster(rollout(outlook={"evidence": 1.0, "comparisons": [counted]}))
    fake.deployments[0]["spec"]["traffic"] = traffic
    answer = say(fake, "status", "fraud")
    assert told in "\n".join(" ".join(line.split()) for line in answer.stdout.splitlines())


def test_where_the_rollout_stands() -> None:
    """Phase, step of how many and what it does, and since when."""
    assert f"Rollout {ROLLOUT} Paused step 2/3 (pause until promoted) for 30s" in _page(rollout())


def test_where_the_test_of_a_goal_stands() -> None:
    """Effect, band, counts and odds, unless the reason says them already."""
    assert f"Goal {GOAL_TEXT}" in _page(split_test(reason="NoTraffic", message="errors: no requests"))
    assert _page(split_test()).count(GOAL_TEXT) == 1
    assert "step 2/2 (awaitGoal purchases Increase" in _page(split_test())


@pytest.mark.parametrize(
    ("weight", "rollback", "said"),
    [
        pytest.param(50, False, "Progressing after the last step (next: 100%)", id="held before everybody"),
        pytest.param(100, False, "Progressing last step (100%)", id="everybody"),
        pytest.param(0, True, "Progressing one step back (next: 100%)", id="a way back passes its steps over"),
    ],
)
def test_the_last_step_says_where_it_stands(weight: int, rollback: bool, said: str) -> None:
    """At 50 % nothing reads as if it were 100 %, and a way back takes no step of 20 %."""
    levers = {"rollback": True} if rollback else {}
    step = 0 if rollback else 3
    assert said in _page(rollout(phase="Progressing", step=step, stepText="1/3", weight=weight, levers=levers))


def test_a_scale_is_what_comes_next_while_its_pods_start() -> None:
    """As a weight is, in the words of the manifest."""
    steps = [{"setCanaryScale": {"replicas": 3}}, {"setWeight": 5}]
    scaled = rollout(levers={"strategy": {"canary": {"steps": steps}}}, step=0, stepText="1/2", weight=0)
    assert "step 1/2 (next: setCanaryScale replicas 3)" in _page(scaled)


def test_why_the_weight_is_held() -> None:
    """Verdict, reason and message of now."""
    page = _page(rollout(verdict="Undecided", reason="NoTraffic", message="errors: no requests"))
    assert "Verdict Undecided NoTraffic: errors: no requests" in page


def test_why_it_was_reverted() -> None:
    """Metric, value, limit, baseline, number of samples and time."""
    page = _page(reverted())
    assert f"Rollout {ROLLOUT} Reverted 19s ago" in page
    assert "errors 20% limit max 5% baseline 0.1% samples 50 at 2026-01-01 00:01:20Z" in page


def test_after_a_revert_stable_has_all_traffic() -> None:
    """What was tried is told without a weight."""
    page = _page(reverted())
    assert "Stable version 41 (fraud-aaaaaaaaaa) 100%" in page
    assert "Tried version 42 (fraud-bbbbbbbbbb)\n" in page


def test_a_revert_whose_weight_is_still_on_its_way_shows_it() -> None:
    """With stable's pods down a canary keeps traffic for a while, and nobody may believe otherwise."""
    assert "Canary version 42 (fraud-bbbbbbbbbb) 40%" in _page(reverted(weight=40, settledAt=None))


def test_the_first_revision_serves_only_when_it_is_ready() -> None:
    """Before that there is nothing that serves."""
    page = _page(rollout(first=True, weight=0), stable=None)
    assert "Stable none yet\nStarting version 42" in page


def test_a_model_deployment_without_a_rollout_has_a_page_too() -> None:
    """It may wait for the operator, or for a ConfigMap."""
    unwell = [condition("Ready", "False", "ConfigMapNotFound", "there is no ConfigMap fraud-42")]
    page = _page(stable=None, conditions=unwell)
    assert "Ready ConfigMapNotFound there is no ConfigMap fraud-42" in page


def test_conditions_that_are_well_are_not_shown() -> None:
    """Only what needs a person takes up a line."""
    page = _page(
        rollout(), conditions=[condition("Ready", "True"), condition("Degraded", "True", "StableNotReady", "1 of 4")]
    )
    assert "Problems\nDegraded StableNotReady 1 of 4" in page


def test_a_fallback_is_shown_while_it_serves_or_could_not() -> None:
    """One that has nothing to do, and could, is well."""
    serves = condition("FallbackServing", "True", "FallbackServing", "rules answers all requests")
    assert "FallbackServing FallbackServing rules answers" in _page(rollout(), conditions=[serves])
    cannot = condition("FallbackServing", "False", "FallbackMissing", "there is no ModelDeployment rules")
    assert "FallbackServing FallbackMissing there is no" in _page(rollout(), conditions=[cannot])
    idle = condition("FallbackServing", "False", "FallbackReady", "rules answers when no pod is ready")
    assert "rules" not in _page(rollout(), conditions=[idle])


def test_while_a_fallback_answers_nobody_is_said_to_have_its_requests() -> None:
    """A page that begins with 100% of stable would be believed at 3 a.m."""
    serves = condition("FallbackServing", "True", "FallbackServing", "rules answers all requests")
    fake = cluster(rollout(), conditions=[serves])
    fake.deployments[0]["spec"]["traffic"] = {"fallback": {"name": "rules"}}
    page = " ".join(say(fake, "status", "fraud").stdout.split())
    assert "Fallback rules answers all requests Stable version 41 (fraud-aaaaaaaaaa) 0% 2 of 2 pods" in page
    assert "Canary version 42 (fraud-bbbbbbbbbb) 0% 1 of 1 pods" in page
    assert json.loads(say(fake, "status", "fraud", "--json").stdout)["fallback"] == "rules"


def test_old_numbers_of_a_live_rollout_are_shown_with_their_age() -> None:
    """The operator may be short of time, or gone."""
    live = {"verdict": "Undecided", "reason": "NoTraffic", "message": "errors: no requests"}
    assert "errors: no requests (as of 42 s ago)" in _page(rollout(**live, assessedAt="2026-01-01T00:00:58.000Z"))
    assert "as of" not in _page(rollout(**live, assessedAt="2026-01-01T00:01:31.000Z"))
    assert "as of" not in _page(reverted(assessedAt="2026-01-01T00:00:58.000Z"))


@pytest.mark.parametrize("phase", ["Succeeded", "Superseded", "Aborted"])
def test_what_ended_without_a_revert_has_a_reason_and_no_verdict(phase: str) -> None:
    """A verdict of then says nothing of now."""
    page = _page(rollout(phase=phase, verdict="Undecided", reason="NewSpec", message="x", settledAt=ENDED, weight=0))
    assert "Reason NewSpec: x" in page
    assert "Undecided" not in page


def test_what_the_operator_has_not_seen_is_shown() -> None:
    """A status that is out of date says so: the operator may be down."""
    fake = FakeCluster([deployment(observedGeneration=1)], [rollout(levers={"abort": True})])
    page = say(fake, "status", "fraud").stdout
    assert "the operator has not processed generation 2 of the spec yet (last: 1)" in page
    assert "spec.abort is set but not acknowledged yet" in page


def test_the_last_decisions_are_listed() -> None:
    """With the time, what was done, to which weight, and how often."""
    records = [
        {"action": "Held", "weight": 5, "verdict": "Blind", "reason": "Stale", "message": f"look {number}",
         "firstTime": f"2026-01-01T00:00:{number:02}.000Z", "lastTime": "2026-01-01T00:00:30.000Z", "count": 3}
        for number in range(10)
    ]  # fmt: skip
    page = _page(rollout(decisions=records))
    assert "2026-01-01 00:00:09 to 00:00:30Z Held 5% Blind Stale x3 look 9" in page
    assert "look 4" in page
    assert "look 3" not in page


@pytest.mark.parametrize(
    ("manifest", "commands"),
    [
        (rollout(), ["promote fraud", "pause fraud", "abort fraud"]),
        (rollout(levers={"paused": True}), ["resume fraud", "promote fraud", "abort fraud"]),
        (rollout(phase="Progressing", step=2), ["promote fraud --full", "pause fraud", "abort fraud"]),
        (rollout(phase="Guarding", step=3, weight=100), ["abort fraud"]),
        (reverted(), ["retry fraud"]),
        (rollout(phase="Succeeded", settledAt="2026-01-01T00:01:00Z"), []),
        (rollout(first=True, phase="Pending", step=0, weight=0), []),
    ],
    ids=["in a pause", "paused", "held by a gate", "guarding", "reverted", "succeeded", "first revision"],
)
def test_the_commands_that_make_sense_are_ready_to_be_typed(manifest: Json, commands: list[str]) -> None:
    """A lever that would be refused is not offered."""
    told = say(cluster(manifest, conditions=REJECTED), "status", "fraud", "-n", "ml").stdout
    lines = [line.split("  ") for line in told.partition("Next")[2].splitlines()]
    offered = [next(cell for cell in cells if cell.startswith("serinus")) for cells in lines if cells != [""]]
    assert offered == [f"serinus {command} -n ml" for command in commands]


def test_a_long_decision_is_folded_below_its_line() -> None:
    """In a pipe too: what, when and why stay one line for grep, the sentence is for people."""
    told = reverted()
    told["status"]["decisions"][0]["message"] = "errors is 20%, " * 20
    lines = say(cluster(told), "status", "fraud").stdout.partition("Decisions")[2].splitlines()[1:]
    assert lines[0] == "  2026-01-01 00:01:20Z  Taken  0%  Unsafe  LimitExceeded"
    assert lines[1].startswith("      errors is 20%, errors")
    assert max(map(len, lines)) <= 120


def test_nothing_else_is_folded_where_there_is_no_terminal() -> None:
    """A line for grep stays a line."""
    message = "x" * 300
    assert message in _page(rollout(message=message))


@pytest.mark.parametrize("command", ["status", "explain"])
@pytest.mark.parametrize(
    ("ended", "guard", "told"),
    [
        pytest.param({}, "9m", True, id="reverted, and the policy edited"),
        pytest.param({}, "30m", False, id="reverted, and retried"),
        pytest.param({"reason": "GroupReverted"}, "9m", False, id="gone back with its group"),
        pytest.param({"phase": "Superseded", "reason": "NewSpec"}, "9m", False, id="superseded"),
    ],
)
def test_another_attempt_says_that_the_policy_changed(command: str, ended: Json, guard: str, told: bool) -> None:
    """A rejection is of a revision and its policy: who edits the policy asks for another attempt, and should see it."""
    again = rollout(name=f"{CANARY}-2", levers={"attempt": 2, "guard": {"duration": guard}})
    answer = say(cluster(reverted(**ended), again), command, "fraud").stdout
    said = f"tried again because spec.guard has changed since Rollout {ROLLOUT} was Reverted"
    assert (said in " ".join(answer.split())) is told
