"""What `explain` says: the sentence for the incident first, then the numbers, then the decisions."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from serinus.core.model.kinds import Json
from tests.unit.cli.explain_given import clock, comparison, condemned, held, raised, taken
from tests.unit.cli.given import GOAL_TEXT, ROLLOUT, cluster, rollout, say, split_test

GUARDRAIL = {
    "reason": "LimitExceeded",
    "message": "errors is 20%, limit max 5%, stable 0.1%",
    "value": "20%",
    "limit": "max 5%",
    "baseline": "0.1%",
    "samples": 50,
    "at": 6.25,
}


def _said(*rollouts: Json, words: tuple[str, ...] = ()) -> str:
    answer = say(cluster(*rollouts), "explain", "fraud", *words)
    assert answer.exit_code == 0, answer.stderr
    return "\n".join(" ".join(line.split()) for line in answer.stdout.splitlines())


def _sentence(manifest: Json) -> str:
    return _said(manifest).splitlines()[0]


def _by_guardrail(**outlook: Any) -> Json:
    return condemned(record=taken(**GUARDRAIL), outlook={"evidence": 3.0, "comparisons": [], **outlook})


def _in_threshold_mode(manifest: Json) -> Json:
    manifest["spec"]["analysis"]["mode"] = "Threshold"
    manifest["status"].pop("outlook", None)
    return manifest


def test_a_revert_by_the_test_is_one_sentence() -> None:
    """What, when, how fast, who decided and by which numbers: it is pasted as it stands."""
    assert _sentence(condemned()) == (
        "ml/fraud: version 42, tried on up to 5% of traffic in place of version 41, was reverted at "
        "2026-01-01 00:01:30Z, 90 s after its first traffic at 2026-01-01 00:00:00Z; decided by the sequential test, "
        "with no limit exceeded (Worse): errors was 1.05% of 2,341 requests, version 41 had 0.02% of 44,120, "
        "ratio 52.4 (12.1 to 301), 1-in-132 odds if both versions were equal (1 in 100 reverts; limit max 5%); "
        "it no longer gets any traffic."
    )


@pytest.mark.parametrize("reason", ["StableWon", "NoDifference"])
def test_a_goal_is_credited_to_its_own_test(reason: str) -> None:
    """Effect, band, counts and odds, in the sentence."""
    record = taken(reason, message=GOAL_TEXT, metric="purchases", samples=790)
    ended = {"phase": "Reverted", "weight": 0, "finishedAt": clock(90), "decisions": [raised(50, 0.0), record]}
    said = _sentence(split_test(reason=reason, **ended))
    assert f"decided by the test of its goal ({reason}): {GOAL_TEXT}; it no longer gets any traffic." in said


@pytest.mark.parametrize("outcome", ["CanaryWon", "NoDifference"])
def test_a_version_that_a_goal_has_let_through_is_credited_to_its_test(outcome: str) -> None:
    """Effect and band, for people and for scripts: that nothing speaks against it decided nothing."""
    text = f"{GOAL_TEXT} that the canary is better; the canary has won"
    ended = {"phase": "Succeeded", "weight": 100, "finishedAt": clock(90), "decisions": [raised(50, 0.0)]}
    found = split_test(reason="Succeeded", goal={"outcome": outcome, "text": text}, **ended)
    told = json.loads(say(cluster(found), "explain", "fraud", "--json").stdout)
    assert (told["decidedBy"], told["goal"]["outcome"]) == ("goal", outcome)
    assert told["sentence"].endswith(f"; decided by the test of its goal ({outcome}): {text}.")


def test_a_goal_that_a_person_passed_over_has_decided_nothing() -> None:
    """The promotion has."""
    promoted = {**raised(100, 60.0), "reason": "PromotedByUser"}
    ended = {"phase": "Succeeded", "weight": 100, "finishedAt": clock(90), "decisions": [raised(50, 0.0), promoted]}
    told = json.loads(say(cluster(split_test(reason="Succeeded", **ended)), "explain", "fraud", "--json").stdout)
    assert told["decidedBy"] == "person"


def test_where_a_goal_stands_while_it_is_open() -> None:
    """The page and the JSON have it; its metric is compared by no other test."""
    page = _said(split_test(decisions=[raised(50, 0.0)]))
    assert f"Goal {GOAL_TEXT}" in page
    assert "Limit purchases none (compared by the goal's test)" in page
    told = json.loads(say(cluster(split_test()), "explain", "fraud", "--json").stdout)
    assert (told["goal"]["metric"], told["decidedBy"]) == ("purchases", None)


def test_a_revert_by_the_guardrail_is_not_credited_to_the_test() -> None:
    """The literal limit acts in seconds, before evidence is weighed, and the sentence says which of the two it was."""
    sentence = _sentence(_by_guardrail())
    assert "6 s after its first traffic" in sentence
    assert "decided by the guardrail, a fixed limit, not by the test (LimitExceeded)" in sentence
    assert "errors was 20% of 50 requests in the window against a limit of max 5%, version 41 had 0.1%;" in sentence


def test_a_limit_that_fell_to_evidence_is_credited_to_the_test() -> None:
    """The limit has a test of its own, under the same reason: its evidence tells it from the guardrail."""
    assert "decided by the sequential test of the limit (LimitExceeded)" in _sentence(_by_guardrail(evidence=140.0))


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        pytest.param("WithinLimits", "none against the canary", id="nothing to say"),
        pytest.param("LooksWorse", "not enough to revert yet (a quicker test holds the weight meanwhile)", id="held"),
        pytest.param("LimitExceeded", "not needed (a fixed limit decided first)", id="by a limit"),
    ],
)
def test_no_evidence_is_no_praise_where_something_else_has_decided(reason: str, said: str) -> None:
    """Who reads that nothing speaks against a canary may promote it."""
    manifest = condemned(outlook={"evidence": 0.9, "comparisons": []})
    manifest["status"]["reason"] = reason
    assert f"Evidence {said}, over all metrics (1 in 20 holds, 1 in 100 reverts)" in _said(manifest)


def test_in_threshold_mode_there_is_no_test() -> None:
    """Nobody shall look for evidence that was never gathered."""
    page = _said(_in_threshold_mode(_by_guardrail()))
    assert "decided by a fixed limit (mode is Threshold: there is no test)" in page.splitlines()[0]
    assert "Judged by fixed limits only: mode is Threshold, so there is no test" in page
    assert "Evidence" not in page


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        pytest.param([{"setCanaryScale": {"weight": 100}}, {"pause": {}}, {"setWeight": 100}], "none", id="a switch"),
        pytest.param([{"setMirrorRoute": {"percentage": 20}}, {"setWeight": 100}], "that reverts at", id="copies"),
        pytest.param([{"setWeight": 5}], "that reverts at", id="weights"),
    ],
)
def test_where_no_step_splits_the_requests_nothing_is_compared(steps: list[Json], says: str) -> None:
    """Blue-green is one switch: its limits are tested, and stable has no requests beside it."""
    manifest = held()
    manifest["spec"]["strategy"]["canary"]["steps"] = steps
    judged_by = next(line for line in _said(manifest).splitlines() if "Judged by" in line)
    assert (says in judged_by, "so none compares" in judged_by) == (True, says == "none")


def test_a_metric_without_a_limit_says_so() -> None:
    """It is compared with stable only, and no limit stands in the sentence."""
    manifest = condemned()
    for metric in manifest["spec"]["analysis"]["metrics"]:
        metric.pop("thresholdRange")
    page = _said(manifest)
    assert "(1 in 100 reverts);" in page.splitlines()[0]
    assert "Limit errors none: compared with stable only" in page


RATIO = {"name": "errors", "type": "Ratio", "query": "x", "of": "y", "thresholdRange": {"max": "5%"}, "minSamples": 30}


def test_a_ratio_is_told_in_trials() -> None:
    """Its rates are shares, and rest on what the user counts."""
    manifest = condemned()
    manifest["spec"]["analysis"]["metrics"] = [RATIO]
    page = _said(manifest)
    assert "errors was 1.05% of 2,341 trials, version 41 had 0.02% of 44,120" in page.splitlines()[0]
    assert "Limit errors max 5% (once there are 30 trials)" in page
    assert "errors 1.05% of 2,341 0.02% of 44,120 33 52.4 (12.1 to 301) 1 in 204 Worse" in page


def test_a_ratio_that_has_a_lower_limit_alone_says_that_it_is_not_compared() -> None:
    """The test would find more of what is good."""
    manifest = condemned()
    manifest["spec"]["analysis"]["metrics"] = [{**RATIO, "thresholdRange": {"min": "2%"}}]
    expected = "Limit errors min 2% (once there are 30 trials) (more is better: not compared with stable)"
    assert expected in _said(manifest)


def test_each_metric_has_a_row() -> None:
    """Requests, rates and events of both, the ratio with its bounds, the odds, and what the test says."""
    assert (
        "errors 1.05% of 2,341 0.02% of 44,120 33 52.4 (12.1 to 301) 1 in 204 Worse"
        in _said(condemned())
    )  # fmt: skip


def test_the_test_of_a_limit_is_a_row_without_stable() -> None:
    """It compares the canary with a number, and its estimate is a rate."""
    row = comparison("errors/limit", estimate=0.0105, lower=0.006, upper=0.02, eValue=0.4, status="Measuring")
    page = _said(condemned(outlook={"evidence": 132.0, "comparisons": [row]}))
    assert "errors vs limit 1.05% of 2,341 - 33 1.05% (0.6% to 2%) - Measuring" in page


def test_a_ratio_without_upper_bound_says_at_least() -> None:
    """Stable without one error bounds the ratio from below alone."""
    row = comparison()
    del row["upper"]
    assert "52.4 (at least 12.1)" in _said(condemned(outlook={"evidence": 132.0, "comparisons": [row]}))


def test_what_is_missing_to_decide_and_when() -> None:
    """Requests, time, and the moment at which it will be there."""
    page = _said(held())
    assert "Undecided, InsufficientData" in page.splitlines()[0]
    assert (
        "Missing 1,200 more canary requests until riskBudget allows the next step, in about 4 min, "
        "at 2026-01-01 00:05:20Z (not waited for: pace is Timed)\n" in page
    )


def test_with_pace_evidence_the_weight_waits_for_what_is_missing() -> None:
    """So there it is said without a reservation."""
    waiting = held()
    waiting["spec"]["strategy"]["canary"]["pace"] = "Evidence"
    page = _said(waiting)
    assert "at 2026-01-01 00:05:20Z\n" in page
    assert "not waited for" not in page


def test_what_no_number_of_requests_brings_is_said_to_be_hopeless() -> None:
    """A million more requests are no forecast."""
    page = _said(held(requestsNeeded=5e6, etaSeconds=1e6))
    assert "Missing at the current error rates riskBudget will never allow the next step" in page


@pytest.mark.parametrize(
    ("preset", "shown"),
    [("error-rate", "errors 0% of 2,341 0% of 44,120 0 - - Measuring"), (None, "52.4 (12.1 to 301) - Measuring")],
    ids=["error rate", "own query"],
)
def test_no_error_on_either_side_has_no_ratio(preset: str | None, shown: str) -> None:
    """What the estimate's prior makes of nothing is no measurement."""
    silent = held()
    if preset is None:
        silent["spec"]["analysis"]["metrics"] = [{"name": "errors", "query": "x", "thresholdRange": {"max": "5"}}]
    assert shown in _said(silent)


@pytest.mark.parametrize(("second", "said"), [(95, ""), (58, "as of 42 s ago")], ids=["fresh", "old"])
def test_old_numbers_of_a_live_rollout_are_shown_with_their_age(second: int, said: str) -> None:
    """Nobody shall take them for those of now."""
    live = held()
    live["status"]["assessedAt"] = f"2026-01-01T00:01:{second - 60:02d}.000Z" if second >= 60 else clock(second)
    page = _said(live)
    assert (said in page.splitlines()[0] and f"Numbers {said}" in page) if said else "as of" not in page


def test_a_wait_of_hours_suggests_a_weight() -> None:
    """One request a second decides nothing before lunch."""
    page = _said(held(etaSeconds=20000.0, suggestedWeight=25.0))
    assert "in about 6 h" in page
    assert "a weight of 25% would decide sooner" in page


def test_decisions_are_told_in_order_with_their_times() -> None:
    """First to last, and how often."""
    again = {**raised(5, 10), "action": "Held", "reason": "Suspicious", "verdict": "Undecided", "count": 12}
    page = _said(condemned(decisions=[raised(5, 0), {**again, "lastTime": "2026-01-01T00:01:05.000Z"}, taken()]))
    lines = page.partition("Decisions (UTC)")[2].split("\n")[1:4]
    assert [line.split(" ")[2:3] for line in lines] == [["Raised"], ["to"], ["Taken"]]
    assert lines[1].startswith("2026-01-01 00:00:10 to 00:01:05Z Held 5% Undecided Suspicious x12")


def test_an_older_rollout_can_be_asked_for() -> None:
    """An incident is often about the one before the newest."""
    old = condemned()
    old["metadata"]["name"] = "fraud-cccccccccc-1"
    old["metadata"]["creationTimestamp"] = "2025-12-01T00:00:00Z"
    page = _said(old, rollout(), words=("--rollout", "fraud-cccccccccc-1"))
    assert "Rollout fraud-cccccccccc-1 Reverted Worse" in page


def test_an_unknown_rollout_is_refused_with_those_there_are() -> None:
    """The name need not be looked up elsewhere."""
    answer = say(cluster(rollout()), "explain", "fraud", "--rollout", "nope")
    assert (answer.exit_code, answer.stderr) == (
        1, f"serinus: fraud has no Rollout nope; its Rollouts are {ROLLOUT}\n"
    )  # fmt: skip


def test_without_a_rollout_there_is_nothing_to_explain() -> None:
    """One sentence, not an empty page."""
    answer = say(cluster(), "explain", "fraud")
    assert (answer.exit_code, answer.stderr) == (1, "serinus: fraud has no Rollout yet\n")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"phase": "Aborted", "reason": "AbortRequested"}, "aborted at 2026-01-01 00:01:30Z"),
        ({"phase": "Superseded", "reason": "NewSpec"}, "superseded at 2026-01-01 00:01:30Z"),
        ({"phase": "Succeeded", "reason": "Succeeded"}, "version 42 replaced version 41 at 2026-01-01 00:01:30Z"),
    ],
    ids=lambda value: value.get("phase", "") if isinstance(value, dict) else "",
)
def test_every_end_has_its_words(status: Json, words: str) -> None:
    """Not every end is a revert."""
    last = taken(status["reason"], verdict=None, metric=None, message="spec.abort is true")
    manifest = condemned(record={key: value for key, value in last.items() if value is not None}, **status)
    assert words in _sentence(manifest)


def test_a_person_who_aborted_is_named_as_such() -> None:
    """Neither guardrail nor test."""
    last = {**taken("AbortRequested"), "message": "spec.abort is true"}
    for name in ("metric", "value", "limit", "baseline", "samples", "verdict"):
        del last[name]
    assert "decided by a person (AbortRequested): " in _sentence(condemned(phase="Aborted", record=last))


def test_the_first_revision_has_nothing_to_be_compared_with() -> None:
    """And says so."""
    first = rollout(first=True, phase="Guarding", weight=100, stageStartedAt="2026-01-01T00:00:00Z")
    assert "no test: it is the first revision, and there is nothing to compare it with" in _said(first)


COHORT = [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]


@pytest.mark.parametrize(
    ("weight", "had"),
    [
        (0, "version 42 has had the requests of x-tier=premium since"),
        (5, "version 42 has had 5% of traffic and the requests of x-tier=premium since"),
    ],
)
def test_a_cohort_is_said_in_words(weight: int, had: str) -> None:
    """Beside the weight, or alone."""
    assert had in _said(rollout(weight=weight, matches=COHORT, stageStartedAt="2026-01-01T00:00:00Z"))


def test_a_version_that_only_a_cohort_saw_is_said_to_be_just_that() -> None:
    """The record tells: its exposure is gone."""
    shown = {**taken("LimitExceeded"), "action": "Raised", "weight": 0, "exposure": "x-tier=premium"}
    ended = condemned(record=taken("LimitExceeded"))
    ended["status"]["decisions"] = [shown, {**taken("LimitExceeded"), "weight": 0}]
    assert "version 42, shown to x-tier=premium alone, was reverted" in _sentence(ended)


def test_a_version_that_got_copies_alone_was_seen_by_nobody() -> None:
    """Its first traffic was a copy, and no user had an answer of it."""
    copied = {**taken("LimitExceeded"), "action": "Raised", "weight": 0, "exposure": "mirror 50%"}
    ended = condemned(record=taken("LimitExceeded"))
    ended["status"]["decisions"] = [copied, {**taken("LimitExceeded"), "weight": 0}]
    said = _sentence(ended)
    assert "version 42, tried on copies of 50% of the requests (no user saw its answers), was reverted" in said
    assert "after its first copy" in said


def test_copies_are_said_in_words() -> None:
    """While they are sent, stable answers everybody."""
    said = _said(rollout(weight=0, mirror=50, stageStartedAt="2026-01-01T00:00:00Z"))
    assert "version 42 has had copies of 50% of the requests since" in said
    assert "version 41 answers everybody" in said


def test_json_gives_the_numbers_as_they_are_stored() -> None:
    """A script need not read sentences."""
    answer = json.loads(say(cluster(_by_guardrail()), "explain", "fraud", "--json").stdout)
    assert (answer["decidedBy"], answer["test"], answer["phase"]) == ("guardrail", True, "Reverted")
    assert answer["evidence"] == {"now": 3.0, "suspiciousAt": 20.0, "revertsAt": 100.0}
    assert [record["action"] for record in answer["decisions"]] == ["Raised", "Taken"]
    assert answer["sentence"].startswith("ml/fraud: version 42")


HISTORY = "calibrated on 6 h of version 41, halves by pod"


def test_what_the_test_was_calibrated_on_is_a_line() -> None:
    """Which past of stable it has learnt from; a record of an older operator has no such line."""
    assert re.search(rf"History +{HISTORY}", say(cluster(held(calibration=HISTORY)), "explain", "fraud").stdout)
    assert "History" not in say(cluster(held()), "explain", "fraud").stdout


def test_json_says_what_the_test_was_calibrated_on() -> None:
    """The same words; null where the record has none."""
    answer = json.loads(say(cluster(held(calibration=HISTORY)), "explain", "fraud", "--json").stdout)
    assert answer["calibration"] == HISTORY
    assert json.loads(say(cluster(held()), "explain", "fraud", "--json").stdout)["calibration"] is None


def test_json_says_what_is_missing() -> None:
    """With the time at which it will be there."""
    answer = json.loads(say(cluster(held()), "explain", "fraud", "--json").stdout)
    assert answer["missing"] == {
        "requests": 1200.0,
        "seconds": 240.0,
        "at": "2026-01-01T00:05:20.000Z",
        "suggestedWeight": None,
    }
