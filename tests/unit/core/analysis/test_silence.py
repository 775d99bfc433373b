"""When the silence of a canary condemns it, and when it does not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from serinus.api.status import Verdict
from serinus.core.analysis.silence import weigh_silence
from serinus.core.model.assessment import Assessment, Finding, Look, Reason, Silence, Stage

HUNG = Silence(
    since=1000.0, until=1031.0, entered=30.0, in_flight=30.0, most_in_flight=30.0, stable_answers=270.0,
    stable_answered_at=1031.0, stable_in_flight=0.0, slowest=0.1,
)  # fmt: skip
"""A tenth of 300 requests in 31 s, and none of them was answered."""
AT_FULL = replace(HUNG, stable_answers=0.0, stable_answered_at=None, stable_in_flight=None, rate=10.0)


def judged(silence: Silence | None, *, weight: int = 10, verdict: Verdict = Verdict.UNDECIDED) -> Assessment:
    finding = Finding("error-rate", verdict, Reason.NO_TRAFFIC, "no request", "")
    assessment = Assessment(1031.0, verdict, Reason.NO_TRAFFIC, finding, (finding,))
    return weigh_silence(Look(1031.0, {}, silence), Stage(weight, 50, 990.0), assessment)


@pytest.mark.parametrize(
    ("changes", "weight"),
    [
        pytest.param({}, 10, id="they wait"),
        pytest.param({"in_flight": 0.0, "most_in_flight": 1.0}, 10, id="they hang up at once"),
        pytest.param({"entered": None, "in_flight": 1.0}, 10, id="only what waits is counted"),
        pytest.param({"entered": None, "in_flight": None, "pods_silent": True}, 10, id="its pods do not answer"),
        pytest.param({"until": 1120.5, "slowest": 60.0, "stable_answered_at": 1120.0}, 10, id="twice the slowest"),
        pytest.param({"stable_answers": 20.0, "stable_answered_at": 1001.0}, 10, id="all callers wait for it"),
    ],
)
def test_silence_with_odds_time_and_proof_is_unsafe(changes: dict[str, float], weight: int) -> None:
    """Stable answers, thirty seconds have passed, and requests are known to have gone in."""
    found = judged(replace(HUNG, **changes), weight=weight)  # type: ignore[arg-type]
    assert (found.verdict, found.reason) == (Verdict.UNSAFE, Reason.ANSWERS_NOTHING)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"until": 1029.0}, id="too short"),
        pytest.param({"slowest": 20.0}, id="short beside the slowest answers"),
        pytest.param({"slowest": math.inf}, id="answers slower than any bucket"),
        pytest.param({"stable_answers": 100.0, "entered": 5.0, "most_in_flight": 5.0}, id="too few to wonder"),
        pytest.param({"entered": None, "in_flight": None, "most_in_flight": 0.0}, id="no proof"),
        pytest.param({"entered": 0.0, "in_flight": 0.0, "most_in_flight": 0.0}, id="nothing was sent"),
        pytest.param({"entered": 1.0, "in_flight": 1.0, "most_in_flight": 1.0}, id="one stream is kept open"),
        pytest.param({"stable_answers": 0.0, "stable_answered_at": None}, id="stable answers nothing either"),
        pytest.param({"stable_answered_at": 1004.0, "stable_in_flight": 9.0}, id="stable hangs, too"),
    ],
)
def test_silence_that_may_have_another_cause_changes_nothing(changes: dict[str, float]) -> None:
    """It stays what the metrics say: no traffic."""
    found = judged(replace(HUNG, **changes))  # type: ignore[arg-type]
    assert (found.verdict, found.reason) == (Verdict.UNDECIDED, Reason.NO_TRAFFIC)


def test_a_canary_that_answers_is_judged_by_its_metrics() -> None:
    """There is no silence to weigh."""
    assert judged(None).reason is Reason.NO_TRAFFIC


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, Reason.ANSWERS_NOTHING, id="they wait"),
        pytest.param({"entered": 4.0, "in_flight": 4.0, "most_in_flight": 4.0}, Reason.ANSWERS_NOTHING, id="a few"),
        pytest.param({"in_flight": 0.0, "most_in_flight": 1.0}, Reason.ANSWERS_NOTHING, id="they hang up"),
        pytest.param({"entered": 0.0, "in_flight": 0.0, "most_in_flight": 0.0}, Reason.NO_TRAFFIC, id="nobody asks"),
        pytest.param({"entered": 3.0, "in_flight": 0.0, "most_in_flight": 0.0}, Reason.NO_TRAFFIC, id="few hang up"),
    ],
)
def test_at_full_weight_what_waits_tells_silence_from_absence(changes: dict[str, float], reason: Reason) -> None:
    """Nobody answers beside it: what both answered before stands in."""
    assert judged(replace(AT_FULL, **changes), weight=100).reason is reason  # type: ignore[arg-type]


def test_nothing_is_safe_while_requests_wait_for_a_silent_canary() -> None:
    """The window still shows what it answered before; that is no success for what waits now."""
    found = judged(replace(AT_FULL, until=1012.0), weight=100, verdict=Verdict.SAFE)
    assert (found.verdict, found.reason) == (Verdict.UNDECIDED, Reason.SUSPICIOUS)
    assert "30 s" in found.message
