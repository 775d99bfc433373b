"""What a rollout waits for in its group, what ends it there, and what its member tells the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serinus.api.group import GroupMembership, MemberStanding
from serinus.api.parsing import ModelDeploymentView
from serinus.api.status import Phase
from serinus.core.model.exposure import Exposure
from serinus.core.model.group import MOST_MEMBERS, Member, MemberRollout, position
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Obstacle, RolloutSeen, Snapshot
from serinus.core.rollout.decide import decide
from serinus.core.rollout.ending import ending
from serinus.core.rollout.group import kept_in_step, waits_for_group, with_others_seen
from serinus.core.rollout.question import Question
from tests.unit.core.rollout import given
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step

GROUP = GroupMembership(name="flow", release="r2")
OLD = GroupMembership(name="flow", release="r1")


def plan(group: GroupMembership | None = GROUP, **wishes: Any) -> RolloutPlan:
    made = given.plan(**wishes)
    return replace(made, spec=made.spec.model_copy(update={"group": group}))


def view(group: GroupMembership | None = GROUP, **wishes: Any) -> ModelDeploymentView:
    made = given.deployment(**wishes)
    return replace(made, spec=made.spec.model_copy(update={"group": group}))


def member(state: RolloutState | None = None, *, of: RolloutPlan | None = None, **fields: Any) -> Member:
    """Another member of release r2; with a state it has a Rollout of it."""
    rollout = None if state is None else MemberRollout(of or plan(), state)
    standing = MemberStanding.SERVES if state is None else MemberStanding.TRYING
    return Member("prep", **{"release": "r2", "steps": 4, "standing": standing, "rollout": rollout, **fields})


def beside(other: Member, state: RolloutState, *, of: RolloutPlan | None = None, **fields: Any) -> Snapshot:
    return given.seen(state, of=of or plan(), members=(other,), deployment=view(), **fields)


def gone(phase: Phase, reason: str = "LimitExceeded") -> RolloutState:
    """A rollout that has ended."""
    return at_step(1, 0, phase=phase, reason=reason, message="too many errors", finished_at=NOW, settled_at=NOW)


def walking(step: int, weight: int, *, beside: str = f"{CANARY}-1") -> RolloutState:
    """Our own, which has seen another one under way."""
    return at_step(step, weight, walked_with=(beside,))


@pytest.mark.parametrize(
    ("other", "holds"),
    [
        pytest.param(member(), "", id="it serves the release"),
        pytest.param(member(standing=None, why="not looked at"), "not looked at", id="it has not looked"),
        pytest.param(member(release="r1"), "it shows release r1", id="another release"),
        pytest.param(member(standing=MemberStanding.READY), "its rollout has not begun", id="ready to start"),
        pytest.param(member(standing=MemberStanding.BLOCKED, why="HostConflict"), "HostConflict", id="blocked"),
        pytest.param(member(unreadable="cannot be read"), "cannot be read", id="unreadable"),
        pytest.param(member(at_step(1, 10, message="held")), "is at step 2/4: held", id="a step behind"),
        pytest.param(member(at_step(2, 10, message="held")), "is at step 3/4: held", id="as far, and not ready"),
        pytest.param(member(at_step(2, 10, ready_for=2)), "", id="as far, and ready"),
        pytest.param(member(at_step(2, 10, ready_for=1)), "is at step 3/4", id="ready for what it has taken"),
        pytest.param(member(at_step(3, 50)), "", id="a step ahead"),
        pytest.param(
            member(at_step(2, 10, ready_for=2), of=plan(steps=given.STEPS[:2])), "has 2 steps", id="other steps"
        ),
        pytest.param(member(gone(Phase.SUCCEEDED)), "", id="it has succeeded beside this one"),
        pytest.param(
            member(at_step(3, 50), of=plan(OLD), standing=MemberStanding.READY),
            "its rollout has not begun",
            id="its rollout is of another release",
        ),
    ],
)
def test_a_step_waits_for_every_member(other: Member, holds: str) -> None:
    """Its own gates are not asked here: they come first."""
    state = walking(2, 10)
    cause = waits_for_group(Question(plan(), state, beside(other, state), NOW))
    assert (cause.message if cause else "") == "" if not holds else holds in (cause.message if cause else "")


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param(member(gone(Phase.REVERTED)), (Phase.REVERTED, "GroupReverted"), id="reverted"),
        pytest.param(member(gone(Phase.ABORTED)), (Phase.REVERTED, "GroupReverted"), id="aborted"),
        pytest.param(member(gone(Phase.SUPERSEDED)), (Phase.SUPERSEDED, "GroupSuperseded"), id="superseded"),
        pytest.param(member(gone(Phase.SUCCEEDED)), None, id="succeeded"),
        pytest.param(member(gone(Phase.REVERTED), of=plan(attempt=2)), None, id="reverted, and never seen beside it"),
        pytest.param(member(gone(Phase.REVERTED), of=plan(OLD)), None, id="reverted in another release"),
        pytest.param(
            member(standing=MemberStanding.REJECTED), (Phase.REVERTED, "GroupReverted"), id="its pair is rejected"
        ),
        pytest.param(member(release="r3"), (Phase.SUPERSEDED, "GroupSuperseded"), id="it shows another release"),
        pytest.param(member(unreadable="cannot be read", release=None), None, id="it cannot be read"),
        pytest.param(member(at_step(0, 0)), None, id="it is under way"),
    ],
)
def test_one_member_s_end_is_everybody_s(other: Member, expected: tuple[Phase, str] | None) -> None:
    """Whoever ended for itself while this one was under way."""
    state = walking(2, 10)
    how = ending(plan(), state, beside(other, state))
    assert (None if how is None else (how[0], how[1].reason)) == expected


def held_by(others: tuple[Member, ...], state: RolloutState) -> str | None:
    """What a rollout that waits for its group says."""
    seen = replace(beside(others[0], state), members=others)
    cause = waits_for_group(Question(plan(), state, seen, NOW))
    return cause.message if cause else None


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param(
            at_step(1, 10, reason="WaitingForGroup", message="waits for fraud"), "at step 2/4", id="it waits for others"
        ),
        pytest.param(
            at_step(1, 10, reason="GroupBehind", message="fraud is behind"), "at step 2/4", id="it followed another"
        ),
        pytest.param(
            at_step(1, 10, reason="PausedByUser", message="spec.paused is true"),
            "at step 2/4: spec.paused is true",
            id="a reason of its own",
        ),
        pytest.param(
            at_step(4, 100, phase=Phase.GUARDING, reason="Guarding", message="guarding for 60s"),
            "in its guard window: guarding for 60s",
            id="its guard",
        ),
        pytest.param(
            at_step(4, 100, phase=Phase.GUARDING, reason="WaitingForGroup", message="waits for fraud"),
            "in its guard window",
            id="it waited in its guard",
        ),
    ],
)
def test_a_member_is_quoted_with_a_reason_of_its_own_alone(other: RolloutState, said: str) -> None:
    """What it says of a third one, or of the one that quotes it, would go round in circles."""
    state = at_step(4, 100, phase=Phase.GUARDING)
    assert held_by((member(other),), state) == f"waits for prep: {CANARY}-1 is {said}"


def test_whom_a_member_that_is_ready_to_start_waits_for_is_not_quoted() -> None:
    """Its own rollout has not begun, and that is all that it holds the others by."""
    ready = member(standing=MemberStanding.READY, why="waits for fraud: fraud-1 is in its guard window")
    assert held_by((ready,), walking(2, 10)) == "waits for prep: its rollout has not begun"


def test_of_several_that_hold_a_step_one_with_a_reason_of_its_own_is_named() -> None:
    """Who only waits as well helps nobody."""
    waits = replace(member(at_step(1, 10, reason="WaitingForGroup", message="waits for z")), name="a")
    paused = replace(member(at_step(1, 10, reason="PausedByUser", message="spec.paused is true")), name="z")
    assert held_by((waits, paused), walking(2, 10)) == f"waits for z: {CANARY}-1 is at step 2/4: spec.paused is true"


def test_who_begins_again_names_the_one_that_began_and_not_who_followed_it() -> None:
    """Of three members, one has lost its pods and one has begun again with it already."""
    followed = replace(member(at_step(0, 0, reason="GroupBehind", message="weight 100 to 0: z is behind")), name="a")
    lost = replace(member(at_step(0, 0, reason="CanaryNotReady", message="no canary pod is ready")), name="z")
    state = at_step(3, 50)
    decided = decide(replace(beside(lost, state), members=(followed, lost)), NOW).states[0].state.decisions[-1]
    assert (decided.reason, decided.message) == (
        "GroupBehind",
        f"weight 50 to 0: z is behind: {CANARY}-1 is at step 1/4: no canary pod is ready",
    )


def test_who_leaves_a_release_names_the_one_that_left_it_and_not_who_followed_it() -> None:
    """Of three members, one shows another version and one has followed it already."""
    first = replace(member(gone(Phase.SUPERSEDED, "NewSpec")), name="z")
    followed = replace(member(gone(Phase.SUPERSEDED, "GroupSuperseded")), name="a")
    state = walking(2, 10)
    how = ending(plan(), state, replace(beside(first, state), members=(followed, first)))
    assert how is not None
    assert how[1].message == "z has left the release: too many errors"


def crowd(many: int) -> tuple[Member, ...]:
    """Others that are all under way."""
    return tuple(
        replace(member(at_step(2, 10, ready_for=2), of=replace(plan(), name=f"m{number}-1")), name=f"m{number}")
        for number in range(many)
    )


@pytest.mark.parametrize("many", [MOST_MEMBERS - 1, MOST_MEMBERS, MOST_MEMBERS + 6])
def test_a_crowd_is_remembered_once_and_not_at_every_pass_anew(many: int) -> None:
    """A status that changed with every pass would be written, and would wake the others, without end."""
    state = at_step(2, 10)
    seen = replace(beside(member(), state), members=crowd(many))
    once = with_others_seen(plan(), state, seen)
    assert once.walked_with == tuple(f"m{number}-1" for number in range(min(many, MOST_MEMBERS)))
    assert with_others_seen(plan(), once, seen) == once


def test_whoever_joins_last_takes_the_place_of_a_rollout_that_nobody_asks_about() -> None:
    """A member that began again under another name is one member all the same."""
    past = tuple(f"past-{number}" for number in range(MOST_MEMBERS - 1))
    state = at_step(2, 10, walked_with=(*past, "m0-1"))
    seen = replace(beside(member(), state), members=crowd(3))
    assert with_others_seen(plan(), state, seen).walked_with == ("m0-1", "m1-1", "m2-1")


@pytest.mark.parametrize(("others", "starts"), [(MOST_MEMBERS - 1, True), (MOST_MEMBERS, False)])
def test_a_group_that_no_status_can_hold_does_not_start(others: int, starts: bool) -> None:
    """It takes a person to split it."""
    members = tuple(replace(member(), name=f"m{number}") for number in range(others))
    decided = decide(given.seen(deployment=view(), members=members), NOW)
    stalled = next(one for one in decided.status.conditions if one.type == "Stalled")
    assert (decided.start is not None) is starts
    told = ("NotStalled", "The spec is being applied")
    crowded = ("WaitingForGroup", "group flow has more than 64 members: split it")
    assert (stalled.reason, stalled.message) == (told if starts else crowded)


def test_the_one_at_fault_is_named_and_not_who_followed_it() -> None:
    """Of three members, one is bad and one has followed it already."""
    followed = replace(member(gone(Phase.REVERTED, "GroupReverted")), name="a")
    culprit = replace(member(gone(Phase.REVERTED)), name="z")
    state = walking(2, 10)
    seen = replace(beside(culprit, state), members=(followed, culprit))
    how = ending(plan(), state, seen)
    assert how is not None
    assert how[1].message == f"z was at fault ({CANARY}-1): LimitExceeded: too many errors"


def test_a_member_more_than_a_step_behind_makes_it_begin_again() -> None:
    """It is shown nothing, and is at the first step."""
    state = at_step(3, 50)
    after = decide(beside(member(at_step(0, 0)), state), NOW).states[0].state
    assert (after.step, after.exposure, after.phase, after.decisions[-1].reason) == (
        0,
        Exposure(0),
        Phase.PENDING,
        "GroupBehind",
    )


@pytest.mark.parametrize(
    ("free", "others_free", "straight"),
    [(True, True, True), (True, False, False), (False, True, False)],
    ids=["all are promoted", "another is not", "it is not"],
)
def test_steps_are_passed_over_only_if_no_member_needs_them(free: bool, others_free: bool, straight: bool) -> None:
    """One that need not wait keeps in step with one that must."""
    promoted = {"promote": {"full": True}}
    own, theirs = plan(**(promoted if free else {})), plan(**(promoted if others_free else {}))
    kept = kept_in_step(RolloutSeen(own, at_step(1, 10)), (member(at_step(1, 10), of=theirs),))
    assert kept.plan.straight is straight


def test_who_is_ready_stores_the_step_and_goes_on_once_the_others_are() -> None:
    """The same snapshot gives the same answer; the step is no step before."""
    state = at_step(3, 50, step_started_at=NOW - 11)
    held = decide(beside(member(at_step(3, 50)), state), NOW).states[0].state
    assert (held.step, held.ready_for, held.reason) == (3, 3, "WaitingForGroup")
    again = decide(beside(member(at_step(3, 50)), held), NOW)
    assert [stored.state.ready_for for stored in again.states] in ([], [3])
    gone_on = decide(beside(member(at_step(3, 50, ready_for=3)), held), NOW).states[0].state
    assert position(gone_on) > 3


@pytest.mark.parametrize(
    ("seen", "standing"),
    [
        pytest.param({"wanted": STABLE}, "Serves", id="it serves what is asked for"),
        pytest.param({"members": (member(release="r1"),)}, "Ready", id="it waits for another"),
        pytest.param({}, "Trying", id="it starts"),
        pytest.param({"obstacle": Obstacle("HostConflict", "taken")}, "Blocked", id="an obstacle"),
    ],
)
def test_a_member_tells_where_it_stands(seen: dict[str, Any], standing: str) -> None:
    """Of the release that its spec shows."""
    told = decide(given.seen(deployment=view(), **seen), NOW).status.group
    assert told is not None
    assert (told.release, told.standing) == ("r2", standing)


def test_outside_of_groups_nothing_is_told() -> None:
    """An ordinary ModelDeployment has no word more in its status."""
    assert decide(given.seen(), NOW).status.group is None


@pytest.mark.parametrize(
    ("other", "starts"),
    [
        pytest.param(member(), True, id="it serves the release"),
        pytest.param(member(standing=MemberStanding.READY), True, id="it is ready"),
        pytest.param(member(at_step(2, 10)), True, id="it is under way"),
        pytest.param(member(at_step(4, 100, phase=Phase.GUARDING)), False, id="it is in its guard"),
        pytest.param(member(standing=MemberStanding.TRYING), False, id="its rollout has just ended"),
        pytest.param(member(standing=None), False, id="it has not looked"),
        pytest.param(member(standing=MemberStanding.REJECTED), False, id="its pair is rejected"),
        pytest.param(member(standing=MemberStanding.BLOCKED), False, id="it is blocked"),
        pytest.param(member(release="r1"), False, id="another release"),
        pytest.param(member(standing=MemberStanding.READY, steps=6), False, id="another number of steps"),
        pytest.param(member(steps=6), True, id="another number of steps, and nothing to roll out"),
        pytest.param(member(unreadable="cannot be read", release=None), False, id="unreadable"),
    ],
)
def test_a_rollout_starts_when_every_member_could(other: Member, starts: bool) -> None:
    """It freezes the release that it starts in."""
    start = decide(given.seen(deployment=view(), members=(other,)), NOW).start
    assert (start is not None) is starts
    assert start is None or start.spec.group == GROUP


def test_a_member_that_has_left_the_group_is_bound_by_nothing() -> None:
    """Its rollout was begun in the group, and its spec names none now."""
    state = walking(2, 10)
    seen = replace(beside(member(gone(Phase.REVERTED)), state), deployment=view(None))
    assert ending(plan(), state, seen) is None
    assert waits_for_group(Question(plan(), state, seen, NOW)) is None
