"""What the gateways report since a write, held against the route."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from serinus.core.model.assessment import Silence
from serinus.core.model.drain import Arrivals
from serinus.core.model.rollout import RolloutState
from serinus.core.rollout.following import chance, not_followed, weight_before
from serinus.core.rollout.records import Cause, recorded
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, look, plan, seen

BEGAN = NOW - 30


def raised(*weights: int) -> RolloutState:
    """A rollout that was raised to these weights, one after the other."""
    state = at_step(1, 0)
    for weight in weights:
        state = replace(state, exposure=at_step(1, weight).exposure, stage_started_at=BEGAN)
        state = recorded(plan(), state, "Raised", Cause("WeightRaised", f"to {weight}"), BEGAN)
    return state


def told(state: RolloutState, *counted: tuple[float, float], **fields: Any) -> Cause | None:
    """What is said when canary and stable had so many requests, the newest span first."""
    spans = tuple(Arrivals(BEGAN + 2, NOW, canary, stable) for canary, stable in counted)
    return not_followed(plan(), state, seen(state, look=replace(look(), arrivals=spans, **fields)))


@pytest.mark.parametrize(
    ("weights", "canary", "stable", "followed"),
    [
        pytest.param((10,), 100, 900, True, id="its share"),
        pytest.param((10,), 0, 1000, False, id="nothing of a thousand"),
        pytest.param((10,), 0, 100, True, id="nothing of a hundred may be chance"),
        pytest.param((10, 50), 100, 900, False, id="the share that it had before"),
        pytest.param((10, 50), 450, 550, True, id="somewhat less: the write came late"),
        pytest.param((10, 50), 300, 700, True, id="half of the way is no proof"),
        pytest.param((10, 100), 100, 900, False, id="everything was promised"),
        pytest.param((10,), 900, 100, True, id="more than its share: a cohort"),
        pytest.param((10,), 0, 0, True, id="nobody asks"),
    ],
)
def test_a_share_is_held_against_the_route_when_it_is_nearer_to_the_one_before(
    weights: tuple[int, ...], canary: float, stable: float, followed: bool
) -> None:
    assert (told(raised(*weights), (canary, stable)) is None) is followed


def test_the_newest_requests_decide_where_there_are_enough() -> None:
    """Those of the time before the gateways followed are forgotten."""
    assert told(raised(10), (100, 900), (100, 9900)) is None
    assert told(raised(10), (1, 9), (0, 9900)) is not None


def test_who_is_asked_and_has_not_answered_yet_is_no_matter_of_the_route() -> None:
    """Istio's counters know a request when it ends."""
    waits = Silence(since=BEGAN, until=NOW, entered=5.0)
    slow = Silence(since=BEGAN, until=NOW, slowest=60.0)
    assert told(raised(10), (0, 1000), silence=waits) is None
    assert told(raised(10), (0, 1000), silence=slow) is None
    assert told(raised(10), (0, 1000), silence=Silence(since=BEGAN, until=NOW, slowest=1.0)) is not None


def test_counts_of_an_earlier_stage_say_nothing_of_this_one() -> None:
    state = raised(10)
    old = Arrivals(BEGAN - 10, NOW, 0, 1000)
    assert not_followed(plan(), state, seen(state, look=replace(look(), arrivals=(old,)))) is None


@pytest.mark.parametrize("shown_before", [True, False])
def test_requests_before_the_first_weight_speak_against_the_route_of_one_that_had_some(shown_before: bool) -> None:
    """Those of one that the route never showed anything are somebody else's."""
    state = at_step(0, 0, weight_changed_at=NOW - 300 if shown_before else None)
    arrivals = (Arrivals(NOW - 60, NOW, 3.0, 900.0),)
    snapshot = seen(state, look=replace(look(), arrivals=arrivals), unrouted_since={CANARY: NOW - 200, STABLE: NOW})
    assert (not_followed(plan(), state, snapshot) is not None) is shown_before


def test_the_weight_before_is_that_of_the_record_before_the_newest_raise() -> None:
    assert [weight_before(raised(*weights)) for weights in ((), (10,), (10, 50), (10, 50, 100))] == [0, 0, 10, 50]


@given(st.integers(1, 3000), st.floats(0.001, 0.999), st.floats(0, 1))
def test_the_odds_are_never_told_smaller_than_they_are(trials: int, share: float, part: float) -> None:
    """A bound that promised more than the binomial distribution holds would hold good routes."""
    least = math.floor(part * trials * share)
    assert chance(least, trials, share) >= binom.cdf(least, trials, share) * (1 - 1e-9)
