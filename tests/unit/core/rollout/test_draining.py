"""When the pods of a revision that has lost its traffic may go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Phase
from serinus.core.model.drain import UNCOUNTED, Drain
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.draining import PROOF_SECONDS, draining, may_leave, still_arriving
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, seen

LONG_AGO = NOW - 100
QUIET = Drain(counted=True, proven=True, quiet_since=LONG_AGO)
WAITS = 30
"""Seconds in which requests in flight may end, by default."""


def left(drain: Drain | None, **fields: object) -> Snapshot:
    """A canary that was aborted long ago, and what is known of it since."""
    ended = at_step(2, 0, phase=Phase.ABORTED, settled_at=LONG_AGO, weight_changed_at=LONG_AGO)
    snapshot = seen(ended, drains={} if drain is None else {CANARY: drain}, unrouted_since={CANARY: LONG_AGO})
    return replace(snapshot, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drain", "leaves"),
    [
        pytest.param(QUIET, True, id="nothing arrives, nothing is in flight"),
        pytest.param(UNCOUNTED, True, id="nobody counts"),
        pytest.param(None, False, id="nobody has been asked yet"),
        pytest.param(replace(QUIET, proven=False), False, id="no scrape since the write"),
        pytest.param(replace(QUIET, proven=False, arriving=1.0), False, id="a request arrives"),
        pytest.param(replace(QUIET, in_flight=3.0), True, id="what is in flight has had its time"),
        pytest.param(replace(QUIET, in_flight=3.0, quiet_since=NOW - WAITS + 1), False, id="it still has some"),
        pytest.param(replace(UNCOUNTED, in_flight=3.0, quiet_since=NOW - 1), False, id="also where nobody counts"),
        pytest.param(replace(QUIET, in_flight=0.0, quiet_since=NOW), True, id="it is done before"),
    ],
)
def test_pods_go_when_nothing_arrives_and_what_was_in_flight_is_done(drain: Drain | None, leaves: bool) -> None:
    """Or has had drainSeconds for it, since nothing arrives."""
    assert may_leave(left(drain), CANARY, NOW) is leaves


def test_a_scrape_is_not_waited_for_without_end() -> None:
    """A gateway that is scraped no more says nothing for ever."""
    unproven = left(replace(QUIET, proven=False))
    assert not may_leave(unproven, CANARY, LONG_AGO + PROOF_SECONDS)
    assert may_leave(unproven, CANARY, LONG_AGO + PROOF_SECONDS + 6)


def test_requests_that_arrive_have_no_bound() -> None:
    assert not may_leave(left(Drain(counted=True, arriving=0.5)), CANARY, NOW + 1e6)


def test_who_had_no_traffic_is_not_asked_about() -> None:
    snapshot = seen(at_step(0, 0, phase=Phase.ABORTED, settled_at=LONG_AGO))
    assert draining(snapshot, {CANARY}, NOW) == frozenset()
    assert may_leave(snapshot, CANARY, NOW)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"rollouts": ()}, id="no Rollout is left of it"),
        pytest.param({"weighed": frozenset({CANARY})}, id="the route was seen to show it something"),
        pytest.param({"drains": {CANARY: UNCOUNTED}}, id="it was drained before its record was lost"),
    ],
)
def test_who_may_have_had_traffic_is_asked_about(fields: dict[str, object]) -> None:
    """Records are pruned, deleted by hand and wiped; only one that says so makes it one without traffic."""
    snapshot = replace(seen(at_step(0, 0, phase=Phase.ABORTED, settled_at=LONG_AGO)), **fields)  # type: ignore[arg-type]
    assert draining(snapshot, {CANARY}, NOW) == {CANARY}


def test_a_wiped_rollout_says_nothing_of_what_its_revision_had() -> None:
    wiped = seen(RolloutState())
    assert draining(wiped, {CANARY}, NOW) == {CANARY}
    assert not may_leave(wiped, CANARY, NOW)


def test_answers_that_grow_are_waited_for_longer_than_one_may_last() -> None:
    """Only later they are called arriving: who gave up before would delete pods that are asked."""
    grows = left(Drain(counted=True, growing=True))
    assert not may_leave(grows, CANARY, LONG_AGO + PROOF_SECONDS + WAITS)
    assert may_leave(grows, CANARY, LONG_AGO + PROOF_SECONDS + WAITS + 6)


def test_as_long_as_the_route_shows_it_anything_it_is_not_draining() -> None:
    routed = left(QUIET, route=Split(((STABLE, 50), (CANARY, 50))))
    assert draining(routed, {CANARY}, NOW) == frozenset()
    assert not may_leave(routed, CANARY, NOW)


def test_people_are_told_where_requests_still_arrive() -> None:
    told = still_arriving(left(Drain(counted=True, arriving=2.0)), {CANARY}, NOW)
    assert told is not None
    assert told.reason == "RouteNotFollowed"
    assert f"version 2 (Service {CANARY})" in told.message
    assert still_arriving(left(QUIET), {CANARY}, NOW) is None
