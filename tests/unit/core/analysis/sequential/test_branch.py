"""A monitor that goes on from another, and leaves it as it was."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.analysis import MonitorConfig, RolloutMonitor
from tests.unit.core.analysis.sequential.test_monitor_properties import METRICS, rollout


def written(monitor: RolloutMonitor) -> str:
    return json.dumps(monitor.to_dict(), sort_keys=True)


def taken(monitor: RolloutMonitor, t: float, observations: Any, *, new_stage: bool) -> Any:
    """Begin a stage, where there is one, and take a scrape."""
    if new_stage:
        monitor.start_stage(20, 50, t)
    return monitor.observe(t, observations)


@settings(max_examples=25, deadline=None)
@given(rollout, st.sampled_from([1.0, 5.0, 20.0]))
def test_a_branch_goes_on_as_a_whole_copy_does(feed: Any, every: float) -> None:
    """Scrape by scrape, whether they end a cell or not; the one before it is not touched."""
    monitor = RolloutMonitor(MonitorConfig(METRICS))
    monitor.start_stage(10, 20, 0.0)
    for index, (observations, new_stage) in enumerate(feed):
        t, before, whole = every * (index + 1), written(monitor), copy.deepcopy(monitor)
        branch, thrown_away = monitor.branch(), monitor.branch()
        taken(thrown_away, t + 1.0, observations, new_stage=True)
        verdict = taken(branch, t, observations, new_stage=new_stage)
        assert verdict == taken(whole, t, observations, new_stage=new_stage)
        assert written(branch) == written(whole)
        assert written(monitor) == before
        monitor = branch


@settings(max_examples=25, deadline=None)
@given(rollout)
def test_what_was_said_between_two_cells_is_what_would_be_said_anew(feed: Any) -> None:
    """Looks come more often than cells end: what they are told is kept, and ages as it should."""
    monitor = RolloutMonitor(MonitorConfig(METRICS))
    monitor.start_stage(10, 20, 0.0)
    for index, (observations, _) in enumerate(feed):
        monitor.observe(20.0 * (index + 1), observations)
        for later in (1.0, 7.0, 19.0):
            anew = RolloutMonitor.from_dict(json.loads(written(monitor)))
            t = 20.0 * (index + 1) + later
            assert monitor.branch().observe(t, {}) == anew.observe(t, {})
