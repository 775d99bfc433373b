"""The record of decisions: what it says, what it counts, what it forgets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Verdict
from serinus.core.model.assessment import Finding, Reason
from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.records import LIMIT, Cause, recorded
from tests.unit.core.rollout.given import NOW, at_step, plan

FINDING = Finding(
    metric="error-rate",
    verdict=Verdict.UNSAFE,
    reason=Reason.LIMIT_EXCEEDED,
    message="error-rate is 20%",
    query="istio_requests_total",
    value=0.2,
    limit="max 5%",
    baseline=0.001,
    samples=99.6,
)
LOOKED = Cause("NoTraffic", "nobody asks", Verdict.UNDECIDED, FINDING)


def after(*causes: tuple[str, Cause]) -> RolloutState:
    state = at_step(2, 10)
    for second, (action, cause) in enumerate(causes):
        state = recorded(plan(), state, action, cause, NOW + second)  # type: ignore[arg-type]
    return state


def test_a_record_answers_why() -> None:
    """Metric, value, limit, baseline, samples, query, time, in the units that people use."""
    record = after(("Taken", Cause("LimitExceeded", "bad", Verdict.UNSAFE, FINDING))).decisions[0]
    assert (record.metric, record.value, record.limit, record.baseline) == ("error-rate", "20%", "max 5%", "0.1%")
    assert (record.samples, record.query, record.verdict) == (100, "istio_requests_total", Verdict.UNSAFE)
    assert record.first_time == record.last_time == "2026-09-21T14:13:20.000Z"


def test_the_same_look_twice_is_one_decision() -> None:
    """A pass that is repeated counts nothing."""
    once = after(("Held", LOOKED))
    assert recorded(plan(), once, "Held", LOOKED, NOW) == once


def test_another_look_that_says_the_same_is_counted() -> None:
    """One record with first time, last time and count."""
    (record,) = after(*[("Held", LOOKED)] * 5).decisions
    assert (record.count, record.first_time[-7:], record.last_time[-7:]) == (5, "20.000Z"[-7:], "24.000Z"[-7:])


def test_a_wait_that_no_look_decided_is_one_decision_however_many_passes_see_it() -> None:
    """Passes are nobody's business."""
    (record,) = after(*[("Held", Cause("CanaryNotReady", "0 of 1"))] * 5).decisions
    assert record.count == 1
    assert record.first_time < record.last_time


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(("Raised", LOOKED), id="another action"),
        pytest.param(("Held", replace(LOOKED, reason="Stale")), id="another reason"),
        pytest.param(("Held", replace(LOOKED, verdict=Verdict.BLIND)), id="another verdict"),
        pytest.param(("Held", replace(LOOKED, finding=replace(FINDING, metric="drift"))), id="another metric"),
    ],
)
def test_what_differs_is_another_decision(other: tuple[str, Cause]) -> None:
    """Action, weight, verdict, reason, metric."""
    assert len(after(("Held", LOOKED), other).decisions) == 2


def test_words_alone_make_no_new_decision() -> None:
    """The newest ones stay."""
    (record,) = after(("Held", LOOKED), ("Held", replace(LOOKED, message="still nobody"))).decisions
    assert record.message == "still nobody"


def test_the_list_is_bounded_and_the_newest_are_kept() -> None:
    """Twenty of them."""
    causes = [("Held", replace(LOOKED, reason=f"Reason{number}")) for number in range(50)]
    kept = [record.reason for record in after(*causes).decisions]
    assert kept == [f"Reason{number}" for number in range(50 - LIMIT, 50)]


def test_the_first_that_took_the_weight_is_never_forgotten() -> None:
    """It is the one that reverted."""
    causes = [("Taken", Cause("LimitExceeded", "bad", Verdict.UNSAFE, FINDING))]
    causes += [("Taken", Cause(f"Follows{number}", "pod by pod")) for number in range(50)]
    kept = after(*causes).decisions
    assert len(kept) == LIMIT
    assert kept[0].reason == "LimitExceeded"
    assert kept[-1].reason == "Follows49"
