"""The plan of a rollout, and its state through the status and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.api.rollout import Levers, Promote, RolloutStatus
from serinus.api.status import Condition, Phase, Verdict
from serinus.core.model.assessment import AnalysisState
from serinus.core.model.exposure import Exposure
from serinus.core.model.rollout import RolloutState, from_status, to_status
from serinus.core.model.timestamps import from_rfc3339, stored, to_rfc3339, to_rfc3339_seconds
from tests.unit.core.rollout.given import NOW, plan

TIMES = st.one_of(st.none(), st.floats(0, 4e9).map(lambda at: round(at, 3)))
STATES = st.builds(
    RolloutState,
    observed_generation=st.integers(0, 1000),
    phase=st.sampled_from(list(Phase)),
    step=st.integers(0, 4),
    exposure=st.builds(Exposure, weight=st.integers(0, 100)),
    started_at=TIMES,
    step_started_at=TIMES,
    stage_started_at=TIMES,
    guard_started_at=TIMES,
    finished_at=TIMES,
    weight_changed_at=TIMES,
    settled_at=TIMES,
    waiting_since=TIMES,
    waited_seconds=st.floats(0, 1e6).map(lambda seconds: round(seconds, 3)),
    verdict=st.sampled_from([None, *Verdict]),
    reason=st.sampled_from([None, "LimitExceeded"]),
    message=st.one_of(st.none(), st.text(max_size=40)),
    acknowledged=st.builds(
        Levers,
        paused=st.sampled_from([None, True, False]),
        abort=st.sampled_from([None, True]),
        promote=st.sampled_from([None, Promote(full=True), Promote(through_step=3)]),
        retry=st.sampled_from([None, "again"]),
    ),
    analysis=st.builds(
        AnalysisState,
        failures=st.dictionaries(st.sampled_from(["error-rate", "p99"]), st.integers(1, 9)),
        last_look=TIMES,
        blind_since=TIMES,
        gathered=st.none(),
    ),
    decisions=st.just(()),
    conditions=st.sampled_from(
        [
            (),
            (
                Condition(
                    type="Ready", status="True", last_transition_time="2026-09-21T14:13:20Z", reason="R", message=""
                ),
            ),
        ]
    ),
    outlook=st.none(),
    assessment=st.none(),
)


@given(STATES)
def test_every_state_survives_its_status(state: RolloutState) -> None:
    """Through JSON, as the API server keeps it."""
    manifest = to_status(state, plan()).manifest()
    assert from_status(RolloutStatus.parse(manifest)) == state


@given(st.floats(0, 4e9))
def test_a_time_that_was_stored_once_is_stored_the_same_again(at: float) -> None:
    """To the millisecond."""
    once = from_rfc3339(to_rfc3339(at))
    assert from_rfc3339(to_rfc3339(once)) == once
    assert abs(once - at) <= 0.001


def test_times_are_written_as_kubernetes_reads_them() -> None:
    """RFC 3339 in UTC; metav1.Time has whole seconds."""
    assert to_rfc3339(NOW + 0.25) == "2026-09-21T14:13:20.250Z"
    assert to_rfc3339_seconds(NOW + 0.9) == "2026-09-21T14:13:20Z"
    assert stored(None) is None


@pytest.mark.parametrize(
    ("step", "text"),
    [pytest.param(0, "1/4", id="first"), pytest.param(3, "4/4", id="last"), pytest.param(4, "4/4", id="past")],
)
def test_people_count_steps_from_one(step: int, text: str) -> None:
    """The STEP column."""
    assert to_status(RolloutState(step=step), plan()).step_text == text
