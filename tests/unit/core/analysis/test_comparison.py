"""The sequential test as a policy: what it is fed, what it says, what it stores."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from serinus.api.canary import Pace
from serinus.api.defaults import policy_of
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis.assess import assess
from serinus.core.analysis.comparison import Weighed, read_weighed
from serinus.core.analysis.comparison_metrics import requests_to_rise
from serinus.core.model.assessment import (
    AnalysisState,
    Assessment,
    Increment,
    Look,
    Measured,
    Missing,
    Observation,
    Reason,
    Stage,
    StoredEvidence,
)

STAGE = Stage(weight=10, next_weight=50, started=0.0)
BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0)
STATUS_LIMIT = 64 * 1024


def policy(*metrics: dict[str, object], **analysis: object) -> Analysis:
    """Parse and default an analysis, as a ModelDeployment's."""
    spec = ModelDeploymentSpec.parse(
        {
            "model": {"version": "1", "storageUri": "configmap://m"},
            "runtime": {"image": "triton"},
            "analysis": {"interval": "1s", "metrics": list(metrics), **analysis},
        }
    )
    return policy_of(spec).analysis


ERRORS: dict[str, object] = {"name": "errors", "preset": "error-rate", "thresholdRange": {"max": "5%"}}
LATENCY: dict[str, object] = {"name": "p99", "preset": "latency", "thresholdRange": {"max": "10s"}}


def look(at: int, *, failing: int = 0, stable_failing: int = 0, names: tuple[str, ...] = ("errors",)) -> Look:
    """One second in which the canary answered 100 requests and stable 900."""
    increment = Increment(float(at), (100.0, float(failing), 0.0), (900.0, float(stable_failing), 0.0))
    seen = Observation(
        Measured(failing / 100, 100 * at, at), Measured(stable_failing / 900, 900 * at, at), "q", (increment,)
    )
    buckets = Increment(float(at), (90.0, 5.0, 3.0, 1.0, 1.0, 0.0), (810.0, 45.0, 27.0, 9.0, 9.0, 0.0))
    slow = Observation(Measured(0.4, 100 * at, at), Measured(0.4, 900 * at, at), "q", (buckets,), BOUNDS)
    return Look(float(at), {name: slow if name.startswith("p99") else seen for name in names})


def judged(analysis: Analysis, looks: Iterator[Look], *, pace: Pace = Pace.TIMED) -> tuple[AnalysisState, Assessment]:
    """Assess look after look, until one is Unsafe."""
    known, assessment = AnalysisState(), None
    for one in looks:
        known, assessment = assess(one, known, STAGE, analysis, one.at, pace=pace)
        if assessment.verdict is Verdict.UNSAFE:
            break
    assert assessment is not None
    return known, assessment


def test_evidence_under_the_limit_is_unsafe() -> None:
    """Two of a hundred against none of nine hundred: the limit of 5 % never sees it."""
    _, assessment = judged(policy(ERRORS), (look(at, failing=2) for at in range(1, 200)))
    assert (assessment.verdict, assessment.reason) == (Verdict.UNSAFE, Reason.WORSE)
    assert "odds if both versions were equal" in assessment.message


def test_an_equal_revision_is_safe() -> None:
    """One of a hundred, and nine of nine hundred."""
    _, assessment = judged(policy(ERRORS), (look(at, failing=1, stable_failing=9) for at in range(1, 100)))
    assert assessment.verdict is Verdict.SAFE


def test_with_pace_evidence_safe_waits_for_the_risk_budget() -> None:
    """After two seconds nothing is proven, and what is missing is said."""
    analysis = policy(ERRORS, minDwell="1s")
    _, assessment = judged(analysis, (look(at) for at in range(1, 3)), pace=Pace.EVIDENCE)
    assert (assessment.verdict, assessment.reason) == (Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA)
    assert assessment.requests_needed


def test_in_threshold_mode_no_test_is_asked() -> None:
    """The limits alone decide."""
    _, assessment = judged(policy(ERRORS, mode="Threshold"), (look(at, failing=2) for at in range(1, 200)))
    assert assessment.verdict is Verdict.SAFE
    assert assessment.comparisons == ()


def test_a_metric_that_is_not_gating_is_watched_only() -> None:
    """It is over its limit, and nothing follows."""
    analysis = policy({**ERRORS, "gating": False}, LATENCY)
    _, assessment = judged(analysis, (look(at, failing=20, names=("errors", "p99")) for at in range(1, 50)))
    assert assessment.verdict is not Verdict.UNSAFE


def test_an_assessment_that_was_not_stored_leaves_no_trace() -> None:
    """The same look on the same evidence gives the same answer."""
    analysis = policy(ERRORS)
    known, _ = judged(analysis, (look(at, failing=1) for at in range(1, 10)))
    answers = [assess(look(10, failing=3), known, STAGE, analysis, 10.0, pace=Pace.TIMED)[1] for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("cut", [1, 5, 30], ids=lambda cut: f"after-{cut}")
def test_evidence_goes_on_from_its_stored_form_as_if_nothing_had_happened(cut: int) -> None:
    """Replay equals live, bit by bit."""
    analysis = policy(ERRORS)
    live, interrupted, last = AnalysisState(), AnalysisState(), []
    for at in range(1, 60):
        if at == cut and interrupted.gathered is not None:
            interrupted = AnalysisState(gathered=StoredEvidence(interrupted.gathered.stored()))
        one = look(at, failing=at % 2)
        live, expected = assess(one, live, STAGE, analysis, one.at, pace=Pace.TIMED)
        interrupted, found = assess(one, interrupted, STAGE, analysis, one.at, pace=Pace.TIMED)
        last = [expected.e_total, found.e_total]
        assert expected.e_total == found.e_total
    assert last[0]


@pytest.mark.parametrize("text", ["{}", "no JSON", '{"schema": 99}', '{"schema": 1, "monitor": {}}'])
def test_evidence_that_cannot_be_read_starts_anew(text: str) -> None:
    """A newer version's schema, or somebody's edit: the weight is held until there is evidence again."""
    assert read_weighed(StoredEvidence(text)) is None


def test_ten_metrics_fit_in_a_status() -> None:
    """Their evidence stays under 64 KiB after a long rollout."""
    names = (*tuple(f"errors{number}" for number in range(8)), "p99a", "p99b")
    metrics = [{**(LATENCY if name.startswith("p99") else ERRORS), "name": name} for name in names]
    known, _ = judged(
        policy(*metrics), (look(at, failing=at % 3, stable_failing=at % 7, names=names) for at in range(1, 120))
    )
    assert isinstance(known.gathered, Weighed)
    assert len(json.dumps(known.gathered.stored())) < STATUS_LIMIT


def seen(at: float, *, canary: float, stable: float, newest: tuple[float, float, float]) -> Look:
    """Windows of both revisions, and stable's newest scrape."""
    increment = Increment(at, (50.0, 0.0, 0.0), newest)
    observation = Observation(Measured(canary, 500, at), Measured(stable, 4500, at), "q", (increment,))
    return Look(at, {"errors": observation})


def test_the_limit_condemns_nobody_while_a_shared_outage_enters_the_window() -> None:
    """The canary's window crossed the limit first; stable's newest scrape shows that the fault is shared."""
    entering = seen(100.0, canary=0.06, stable=0.04, newest=(450.0, 90.0, 0.0))
    _, assessment = assess(entering, AnalysisState(), STAGE, policy(ERRORS), 100.0, pace=Pace.TIMED)
    assert (assessment.verdict, assessment.reason) == (Verdict.UNDECIDED, Reason.COMMON_CAUSE)


@pytest.mark.parametrize(
    ("later", "verdict"), [(30.0, Verdict.UNDECIDED), (61.0, Verdict.UNSAFE)], ids=["kept", "over"]
)
def test_the_excuse_lasts_for_one_window(later: float, verdict: Verdict) -> None:
    """While the outage leaves the window, whose rate falls under the limit first is chance."""
    analysis = policy(ERRORS)
    during = seen(100.0, canary=0.2, stable=0.2, newest=(450.0, 90.0, 0.0))
    known, _ = assess(during, AnalysisState(), STAGE, analysis, 100.0, pace=Pace.TIMED)
    after = seen(100.0 + later, canary=0.08, stable=0.04, newest=(450.0, 0.0, 0.0))
    assert assess(after, known, STAGE, analysis, after.at, pace=Pace.TIMED)[1].verdict is verdict


def test_a_metric_that_is_blind_switches_no_other_test_off() -> None:
    """The drift exporter gives NaN; thirty errors in a hundred are still evidence."""
    blind: dict[str, object] = {"name": "drift", "query": "psi", "thresholdRange": {"max": "0.25"}}
    analysis = policy({**ERRORS, "thresholdRange": {"max": "50%"}}, blind)

    def dark(at: int) -> Look:
        one = look(at, failing=30)
        missing = Missing(Verdict.BLIND, Reason.NOT_A_NUMBER, "the query gives nan")
        return Look(one.at, {**one.observations, "drift": Observation(missing, None, "psi")})

    _, assessment = judged(analysis, (dark(at) for at in range(1, 120)))
    assert (assessment.verdict, assessment.reason) == (Verdict.UNSAFE, Reason.WORSE)


def test_a_histogram_that_has_shown_nothing_holds_safe_and_switches_no_other_test_off() -> None:
    """Errors are compared meanwhile."""
    silent = Observation(Measured(0.4, 100, 1.0), Measured(0.4, 900, 1.0), "q")

    def half(at: int, failing: int) -> Look:
        one = look(at, failing=failing)
        return Look(one.at, {**one.observations, "p99": silent})

    _, held = judged(policy(ERRORS, LATENCY), (half(at, 0) for at in range(1, 60)))
    assert (held.verdict, held.reason) == (Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA)
    _, bad = judged(policy(ERRORS, LATENCY), (half(at, 3) for at in range(1, 120)))
    assert bad.verdict is Verdict.UNSAFE


def test_a_histogram_that_shows_late_costs_no_other_metric_its_evidence() -> None:
    """Errors were compared for a minute before the first answer was timed."""
    silent = Observation(Measured(0.4, 100, 1.0), Measured(0.4, 900, 1.0), "q")

    def late(at: int) -> Look:
        one = look(at, failing=1, stable_failing=9, names=("errors", "p99"))
        return one if at >= 60 else Look(one.at, {**one.observations, "p99": silent})

    _, assessment = judged(policy(ERRORS, LATENCY), (late(at) for at in range(1, 82)))
    counted = {one.metric: one.requests_canary for one in assessment.comparisons}
    assert (counted["errors"], counted["p99"]) == (8100.0, 2200.0)


PSI: dict[str, object] = {
    "name": "classes",
    "query": 'predictions_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "type": "Distribution",
    "bucketLabel": "class",
    "thresholdRange": {"max": "0.25"},
}


def drifting(at: int, *, canary: tuple[float, ...] = (20.0, 80.0), names: tuple[str, ...] = ("0", "1")) -> Look:
    """One second in which stable's answers fall half and half, and the canary's do not."""
    increment = Increment(float(at), canary, (500.0, 500.0))
    reading = Measured(0.49, 100.0 * at, at, "0: 50 % → 20 %")
    return Look(float(at), {"classes": Observation(reading, None, "q", (increment,), bins=names)})


def test_drift_is_told_as_drift() -> None:
    """How far, how much is tolerated, and which bin: no ratio and no odds."""
    _, assessment = judged(policy(PSI), (drifting(at) for at in range(1, 400)))
    assert assessment.verdict is Verdict.UNSAFE
    assert assessment.message.startswith("classes: PSI 0.")
    assert ", tolerated 0.25; class 0: 50 % → 20 %" in assessment.message
    assert "ratio" not in assessment.message
    assert "1 in" not in assessment.message


def test_bins_keep_their_names_when_another_process_sees_them_in_another_order() -> None:
    """The evidence of equal revisions stays that of equal revisions."""
    analysis = policy(PSI)
    known, _ = judged(analysis, (drifting(at, canary=(50.0, 50.0)) for at in range(1, 50)))
    assert known.gathered is not None
    stored = AnalysisState(gathered=StoredEvidence(known.gathered.stored()))
    increment = Increment(50.0, (90.0, 10.0), (900.0, 100.0))
    turned = Look(50.0, {"classes": Observation(Measured(0.0, 100.0, 50.0), None, "q", (increment,), bins=("1", "0"))})
    after, _ = assess(turned, stored, STAGE, analysis, 50.0, pace=Pace.TIMED)
    weighed = read_weighed(after.gathered)
    assert weighed is not None
    assert weighed.bins == {"classes": ("0", "1")}


RATIO: dict[str, object] = {
    "name": "rejected",
    "type": "Ratio",
    "query": 'rejected_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "of": 'scored_total{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "10%"},
}


def counting(at: int, *, canary: float, stable: float = 9.0) -> Look:
    """One second in which the canary scored 100 and stable 900, and some were rejected."""
    increment = Increment(float(at), (100.0, canary), (900.0, stable))
    readings = Measured(canary / 100, 100.0 * at, at), Measured(stable / 900, 900.0 * at, at)
    return Look(float(at), {"rejected": Observation(*readings, "q", (increment,))})


def test_a_ratio_is_compared_as_an_error_rate_is() -> None:
    """Three in a hundred against one: the limit of 10 % never sees it."""
    _, assessment = judged(policy(RATIO), (counting(at, canary=3.0) for at in range(1, 200)))
    assert (assessment.verdict, assessment.reason) == (Verdict.UNSAFE, Reason.WORSE)
    assert assessment.message.startswith("rejected is 3% of")
    assert " trials, stable 1% of" in assessment.message
    assert ", ratio 3" in assessment.message


def test_a_ratio_gathers_the_evidence_of_an_error_rate_with_the_same_counts() -> None:
    """It is the same test, with the same limit beside it."""
    same = {**ERRORS, "clientErrors": "Ignore", "thresholdRange": {"max": "10%"}}
    errors = (look(at, failing=2, stable_failing=9) for at in range(1, 60))
    _, of_errors = judged(policy(same), errors)
    _, of_ratio = judged(policy(RATIO), (counting(at, canary=2.0) for at in range(1, 60)))
    assert of_ratio.e_total == of_errors.e_total
    assert [one.e_value for one in of_ratio.comparisons] == [one.e_value for one in of_errors.comparisons]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"thresholdRange": {"min": "50%"}}, id="more of it is better"),
        pytest.param({"query": "rejected_total", "of": "scored_total"}, id="nothing tells the revisions apart"),
        pytest.param({"gating": False}, id="only shown"),
    ],
)
def test_a_ratio_that_is_not_compared_reverts_by_its_limit_alone(changed: dict[str, object]) -> None:
    """However far apart the two are."""
    analysis = policy({**RATIO, **changed})
    _, assessment = judged(analysis, (counting(at, canary=90.0) for at in range(1, 30)))
    limited = "min" not in str(changed) and changed.get("gating") is not False
    assert (assessment.verdict is Verdict.UNSAFE) is limited
    if changed.get("gating") is not False:
        assert not assessment.comparisons


def test_a_ratio_says_how_many_trials_are_missing() -> None:
    """Twenty for the limit, and fifty of each version before the weight rises."""

    def few(at: int) -> Look:
        increment = Increment(float(at), (10.0, 0.0), (90.0, 0.0))
        readings = Measured(0.0, 10.0 * at, at), Measured(0.0, 90.0 * at, at)
        return Look(float(at), {"rejected": Observation(*readings, "q", (increment,))})

    said = [judged(policy(RATIO), (few(at) for at in range(1, last + 1)))[1].message for last in (1, 3, 10)]
    assert said[0] == "rejected has 10 trials in the last 60 s, 20 are needed"
    assert said[1].endswith("50 trials of each version are needed at this weight before it rises")
    assert said[2].startswith("rejected is 0%; no evidence")


def test_blindness_that_only_the_test_sees_is_blindness() -> None:
    """The limits have their numbers, and no scrape comes to compare: `onBlind` counts from there."""
    analysis = policy(ERRORS)
    known, _ = judged(analysis, (look(at) for at in range(1, 10)))
    assert known.blind_since is None
    for at in range(10, 20):
        numbers = Observation(Measured(0.0, 100.0, at), Measured(0.0, 900.0, at), "q")
        known, assessment = assess(
            Look(float(at), {"errors": numbers}), known, STAGE, analysis, float(at), pace=Pace.TIMED
        )
    assert (assessment.verdict, assessment.reason) == (Verdict.BLIND, Reason.STALE)
    assert "the newest scrape to compare both versions by is" in assessment.message
    assert known.blind_since is not None
    known, _ = judged_from(known, analysis, (look(at) for at in range(20, 25)))
    assert known.blind_since is None


def test_where_stable_answered_nobody_there_is_no_blindness() -> None:
    """A night without requests, or all of them on the canary."""
    analysis = policy(ERRORS)
    known, _ = judged(analysis, (look(at) for at in range(1, 10)))
    idle = Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "no request reached this revision in the window", 0.0)
    looks = (Look(float(at), {"errors": Observation(Measured(0.0, 100.0, at), idle, "q")}) for at in range(10, 20))
    known, assessment = judged_from(known, analysis, looks)
    assert (assessment.verdict, assessment.reason) == (Verdict.UNDECIDED, Reason.NO_TRAFFIC)
    assert known.blind_since is None


def judged_from(known: AnalysisState, analysis: Analysis, looks: Iterator[Look]) -> tuple[AnalysisState, Assessment]:
    """Go on from evidence; give what the last look says."""
    assessment = None
    for one in looks:
        known, assessment = assess(one, known, STAGE, analysis, one.at, pace=Pace.TIMED)
    assert assessment is not None
    return known, assessment


@pytest.mark.parametrize(
    ("said", "needed"),
    [pytest.param({}, 50, id="nothing is said"), pytest.param({"minSamples": 20}, 20, id="the default's number, said")],
)
def test_the_weight_rises_on_as_many_requests_as_somebody_says(said: dict[str, int], needed: int) -> None:
    """20 that somebody wrote are 20, although the limit acts on 20 where nobody wrote anything."""
    assert requests_to_rise(policy({**ERRORS, **said})) == needed
