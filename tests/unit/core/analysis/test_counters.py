"""Counter increments: what every exporter does sooner or later, one test a habit."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.counters import CounterTracker

NOT_NUMBERS = [None, math.nan, math.inf, -math.inf, -1.0]


def test_the_first_sample_is_the_baseline() -> None:
    tracker = CounterTracker("pod-a")
    assert tracker.update(100, 0.0) == 0.0
    assert tracker.update(107, 5.0) == 7.0


def test_a_new_label_set_on_a_known_target_counts_in_full() -> None:
    assert CounterTracker("pod-a/500", baseline_first=False).update(3, 5.0) == 3.0


@pytest.mark.parametrize(
    ("created_s", "expected"),
    [pytest.param(1200.0, 40.0, id="born-in-the-rollout"), pytest.param(10.0, 0.0, id="older-than-the-rollout")],
)
def test_a_known_birth_decides_about_the_first_sample(created_s: float, expected: float) -> None:
    tracker = CounterTracker("pod-a", rollout_started_s=1000.0)
    assert tracker.update(40, 1205.0, created_s) == expected


def test_a_fall_is_a_reset_and_the_new_value_is_the_increment() -> None:
    tracker = CounterTracker("pod-a")
    tracker.update(100, 0.0)
    assert tracker.update(4, 5.0) == 4.0
    assert tracker.update(6, 10.0) == 2.0


def test_a_reset_that_outgrew_the_old_value_is_seen_by_its_birth() -> None:
    tracker = CounterTracker("pod-a")
    tracker.update(10, 0.0, -50.0)
    assert tracker.update(12, 60.0, 30.0) == 12.0


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=str)
def test_what_is_not_a_count_is_missing_and_changes_nothing(value: float | None) -> None:
    tracker = CounterTracker("pod-a")
    tracker.update(5, 0.0)
    assert tracker.update(value, 5.0) is None
    assert tracker.update(9, 10.0) == 4.0


@pytest.mark.parametrize("timestamp_s", [5.0, 4.0], ids=["same-timestamp", "out-of-order"])
def test_old_news_is_ignored(timestamp_s: float) -> None:
    tracker = CounterTracker("pod-a")
    tracker.update(5, 0.0)
    tracker.update(8, 5.0)
    assert tracker.update(70, timestamp_s) is None
    assert tracker.update(9, 10.0) == 1.0


def test_a_gap_is_covered_by_the_next_increment() -> None:
    tracker = CounterTracker("pod-a")
    tracker.update(0, 0.0)
    tracker.update(10, 5.0)
    assert tracker.update(250, 600.0) == 240.0


def test_an_unknown_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="schema 99"):
        CounterTracker.from_dict({**CounterTracker("a").to_dict(), "schema": 99})


samples = st.lists(
    st.tuples(
        st.one_of(st.none(), st.floats(allow_nan=True), st.integers(0, 10**9)),
        st.floats(min_value=0, max_value=1e6),
    ),
    max_size=40,
)


@given(samples)
def test_increments_are_never_negative_and_replay_equals_live(feed: list[tuple[float | None, float]]) -> None:
    live = CounterTracker("a")
    restored = CounterTracker("a")
    for value, timestamp_s in feed:
        increment = live.update(value, timestamp_s)
        restored = CounterTracker.from_dict(json.loads(json.dumps(restored.to_dict())))
        assert restored.update(value, timestamp_s) == increment
        assert increment is None or (increment >= 0.0 and math.isfinite(increment))


@given(st.lists(st.integers(0, 1000), min_size=2, max_size=30))
def test_without_resets_increments_add_up_to_the_whole(steps: list[int]) -> None:
    tracker = CounterTracker("a")
    total, seen = 0, 0.0
    for index, step in enumerate(steps):
        total += step
        seen += tracker.update(total, float(index)) or 0.0
    assert seen == total - steps[0]
