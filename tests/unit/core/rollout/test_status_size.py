"""A Rollout's status is small enough to be taken, whatever users and models write into it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api.canary import Pace
from serinus.api.rollout import GoalStanding, Levers, RolloutStatus
from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import AnalysisState, Assessment, Comparison, Finding, Reason, StoredEvidence
from serinus.core.model.rollout import (
    ALWAYS_FITS,
    LONGEST_EVIDENCE,
    LONGEST_STATUS,
    RolloutState,
    from_status,
    shortened,
    to_status,
)
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.rollout.conditions import with_conditions
from serinus.core.rollout.outlook import outlook_of
from serinus.core.rollout.records import LIMIT, Cause, recorded
from tests.unit.core.rollout.given import NOW, at_step, plan

GOAL_COUNT, GOAL_TEXT = 2200, 500
"""As long as they are at most: tests/unit/core/analysis/test_goal.py measures them."""
GOAL_NUMBERS = [name for name, field in GoalStanding.model_fields.items() if "float" in str(field.annotation)]
LETTERS = st.characters(exclude_categories=("Cs",))
NAMES = st.from_regex(r"[a-z][a-z0-9-]{61}[a-z]", fullmatch=True)


def written(status: RolloutStatus) -> int:
    """Count the bytes that the API server is sent."""
    return len(json.dumps(status.manifest(), ensure_ascii=False, separators=(",", ":")).encode())


def many(metrics: list[str], query: str, message: str, *, evidence: int) -> RolloutState:
    """A rollout whose every text is as long as it can be; the first record but one took its weight."""
    state = at_step(2, 10)
    for number in range(LIMIT + 5):
        name = metrics[number % len(metrics)]
        finding = Finding(
            name, Verdict.BLIND, Reason.SEVERAL_SERIES, message, query, 1.23456789, "max 0.1234567", 0.1, 9e9
        )
        cause = Cause(f"{'Reason' * 9}{number}", message, Verdict.BLIND, finding)
        state = recorded(plan(), state, "Taken" if number == 1 else "Held", cause, NOW + number)
    comparisons = tuple(
        Comparison(
            f"{name}{of}", "TrafficSplitMismatch", 123456, 1234560, 12345.6, 0.123456, 0.123456, 1.23456, 0.1, 9, 1e6
        )
        for name in metrics
        for of in ("", "/4xx", "/limit")
    )
    assessment = Assessment(NOW, Verdict.BLIND, Reason.STALE, None, (), comparisons, 1e5, 1e5, 1e4, 12.5)
    state = replace(
        state,
        phase=Phase.REVERTED,
        message=message,
        outlook=outlook_of(assessment, Pace.EVIDENCE),
        acknowledged=Levers(retry="r" * 64),
        analysis=AnalysisState(
            failures=dict.fromkeys(metrics, 10**6),
            excused=dict.fromkeys(metrics, NOW),
            last_look=NOW,
            blind_since=NOW,
            gathered=StoredEvidence("e" * evidence),
            goal=StoredEvidence("g" * GOAL_COUNT),
        ),
        goal=GoalStanding(
            metric=metrics[0],
            outcome="CanaryWon",
            since=to_rfc3339(NOW),
            text="g" * GOAL_TEXT,
            **dict.fromkeys(GOAL_NUMBERS, 1234567.8),
        ),
    )
    return with_conditions(plan(), state, NOW)


@settings(max_examples=30)
@given(
    metrics=st.lists(NAMES, min_size=1, max_size=20, unique=True),
    query=st.text(LETTERS, max_size=200).map(lambda text: (text * 4096)[:4096]),
    message=st.text(LETTERS, max_size=200).map(lambda text: (text * 2000)[:2000]),
    evidence=st.integers(1, 200_000),
)
def test_a_status_stays_under_its_limit(metrics: list[str], query: str, message: str, evidence: int) -> None:
    """Twenty records of users' queries, long sentences in any script, and as much evidence as fits beside them."""
    state = many(metrics, query, message, evidence=evidence)
    status = to_status(state, plan())
    assert written(status) <= LONGEST_STATUS
    assert from_status(RolloutStatus.parse(status.manifest())).decisions == state.decisions


@pytest.mark.parametrize("text", ["\x01" * 4096, "\U0001f9ea" * 4096, '"' * 4096], ids=["escaped", "wide", "quotes"])
def test_there_is_always_room_for_some_evidence(text: str) -> None:
    """A restart must not cost what the test has gathered because somebody's queries are long."""
    names = [f"{'m' * 61}{number:02}" for number in range(20)]
    status = to_status(many(names, text, text, evidence=ALWAYS_FITS), plan())
    assert written(status) <= LONGEST_STATUS
    assert status.analysis is not None
    assert status.analysis.evidence is not None


def test_evidence_may_take_what_others_leave() -> None:
    """Most statuses are short."""
    status = to_status(
        replace(at_step(2, 10), analysis=AnalysisState(gathered=StoredEvidence("e" * LONGEST_EVIDENCE))), plan()
    )
    assert status.analysis is not None
    assert status.analysis.evidence is not None


def test_the_record_that_reverted_keeps_its_texts_and_the_others_their_beginning() -> None:
    """It answers why; the spec has the whole query."""
    query, message = "sum(rate(x[1m])) / " * 50, "because of this " * 60
    taken, *held, newest = many(["drift"], query, message, evidence=1).decisions
    assert (taken.action, taken.query, taken.message) == ("Taken", query, message)
    assert (newest.query, newest.message) == (query, message)
    assert {record.query for record in held} == {shortened(query, 120)}
    assert all(record.metric == "drift" and record.value == "1.23457" for record in held)


@pytest.mark.parametrize(
    ("text", "most", "left"),
    [
        ("short", 100, "short"),
        ("exactly", 7, "exactly"),
        ("too long", 7, "too…"),
        ("ééééé", 10, "ééééé"),
        ("ééééé", 9, "ééé…"),
        ('""""', 8, '""""'),
        ('""""', 7, '""…'),
        ("", 3, ""),
    ],
)
def test_a_text_is_cut_by_the_bytes_that_it_is_written_in(text: str, most: int, left: str) -> None:
    """Between letters, and never longer than asked."""
    assert shortened(text, most) == left


def test_metrics_with_three_tests_each_are_shown_as_far_as_there_is_room() -> None:
    """Those with the most evidence are kept, in their order."""
    comparisons = tuple(
        Comparison(f"m{number}", "Measuring", 1, 1, 0, None, None, None, None, None, float(number))
        for number in range(60)
    )
    outlook = outlook_of(Assessment(NOW, Verdict.SAFE, Reason.WITHIN_LIMITS, None, (), comparisons, 1.0), Pace.TIMED)
    assert outlook is not None
    assert [one.metric for one in outlook.comparisons] == [f"m{number}" for number in range(20, 60)]
