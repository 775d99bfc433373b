"""What the kept Rollouts and revisions say: what is active, what is stable, what is rejected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.rollout import Levers
from serinus.api.status import Phase
from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.rollout.decide import decide
from serinus.core.rollout.history import (
    MOST_REJECTIONS,
    active_rollout,
    healed,
    rejections,
    retry_asked,
    stable_revision,
)
from tests.unit.core.rollout.given import CANARY, NOW, OTHER, STABLE, at_step, deployment, plan, revision, seen


def ended(phase: Phase, at: float = NOW - 10, **fields: object) -> RolloutState:
    return at_step(4, 0, phase=phase, finished_at=at, settled_at=at, **fields)


def history(*rollouts: tuple[RolloutPlan, RolloutState], **fields: object) -> Snapshot:
    return seen(**fields, rollouts=tuple(RolloutSeen(one, state) for one, state in rollouts))


def entry(canary: str = CANARY, attempt: int = 1, policy: str | None = None) -> Json:
    return {
        "revision": canary,
        "version": "2",
        "policy": policy or plan().spec.policy,
        "rollout": f"{canary}-{attempt}",
        "reason": "LimitExceeded",
        "at": "2026-09-21T14:13:20Z",
    }


def test_the_newest_rollout_is_active_until_its_weight_has_arrived() -> None:
    """Ended and settled are two things."""
    on_its_way = replace(ended(Phase.REVERTED), settled_at=None, exposure=Exposure(50))
    assert active_rollout(history((plan(), at_step(2, 10)))) is not None
    assert active_rollout(history((plan(), on_its_way))) is not None
    assert active_rollout(history((plan(), ended(Phase.REVERTED)))) is None
    assert active_rollout(history()) is None


def test_stable_is_what_the_active_rollout_comes_from() -> None:
    """Frozen in its spec, whatever marks say."""
    assert stable_revision(history((plan(stable=OTHER), at_step(2, 10)))) == OTHER


def test_stable_is_what_succeeded_last_when_nothing_is_active() -> None:
    """A mark is renewed when an old revision becomes stable again."""
    revisions = (revision(STABLE, 1, succeeded_at=NOW - 5), revision(CANARY, 2, succeeded_at=NOW - 50))
    assert stable_revision(history(revisions=revisions)) == STABLE


def test_a_success_that_was_not_marked_yet_counts() -> None:
    """The operator was killed between the status and the mark."""
    assert stable_revision(history((plan(), ended(Phase.SUCCEEDED)))) == CANARY


def test_the_route_is_the_last_resort() -> None:
    """No mark, no Rollout: the revision that most requests go to."""
    unmarked = (revision(STABLE, 1), revision(CANARY, 2))
    route = Split(((STABLE, 30), (CANARY, 70)))
    assert stable_revision(history(revisions=unmarked, route=route)) == CANARY
    assert stable_revision(history(revisions=unmarked)) is None


def test_a_wiped_rollout_that_had_succeeded_is_found_to_have() -> None:
    """By the mark on its revision, which is younger than it."""
    snapshot = history((plan(), RolloutState()), revisions=(revision(CANARY, 2, succeeded_at=NOW - 20),))
    assert snapshot.newest is not None
    state = healed(snapshot.newest, snapshot)
    assert (state.phase, state.active) == (Phase.SUCCEEDED, False)


def test_a_mark_that_is_older_than_the_rollout_heals_nothing() -> None:
    """It is of another time."""
    snapshot = history((plan(), RolloutState()), revisions=(revision(CANARY, 2, succeeded_at=NOW - 900),))
    assert snapshot.newest is not None
    assert healed(snapshot.newest, snapshot).phase is Phase.PENDING


def test_a_wiped_rollout_that_was_rejected_is_found_to_be() -> None:
    """By the ModelDeployment's status."""
    snapshot = history((plan(), RolloutState()), deployment=deployment({"rejected": [entry()]}))
    assert snapshot.newest is not None
    assert healed(snapshot.newest, snapshot).phase is Phase.REVERTED


@pytest.mark.parametrize("phase", list(Phase))
def test_reverted_and_aborted_reject_their_pair(phase: Phase) -> None:
    """Superseded and Succeeded do not."""
    found = rejections(history((plan(), ended(phase))))
    assert bool(found) is (phase in {Phase.REVERTED, Phase.ABORTED})


def test_an_entry_lives_without_its_rollout() -> None:
    """History limits and hands delete Rollouts."""
    (found,) = rejections(history(deployment=deployment({"rejected": [entry()]})))
    assert found.revision == CANARY


def test_an_entry_dies_with_its_controller_revision() -> None:
    """`revisionHistoryLimit` is how long we remember."""
    snapshot = history(deployment=deployment({"rejected": [entry()]}), revisions=(revision(STABLE),))
    assert rejections(snapshot) == ()


@pytest.mark.parametrize(
    ("attempt", "rejected"), [pytest.param(2, False, id="newer"), pytest.param(1, True, id="the same or older")]
)
def test_only_a_newer_attempt_clears_an_entry(attempt: int, rejected: bool) -> None:
    """What went well before the reject proves nothing about it."""
    status = {"rejected": [entry(attempt=1)]}
    for phase in (Phase.SUCCEEDED, Phase.SUPERSEDED, Phase.PROGRESSING):
        state = ended(phase) if phase is not Phase.PROGRESSING else at_step(2, 10)
        found = rejections(history((plan(attempt=attempt), state), deployment=deployment(status)))
        assert bool(found) is rejected


def test_an_attempt_at_another_policy_clears_nothing() -> None:
    """A pair is a revision and a policy."""
    status = {"rejected": [entry(policy="0123456789")]}
    found = rejections(history((plan(attempt=2), at_step(2, 10)), deployment=deployment(status)))
    assert [one.policy for one in found] == ["0123456789"]


def test_entries_are_as_many_as_the_schema_holds() -> None:
    """One revision tried with a policy a day must not make the status unwritable."""
    status = {"rejected": [entry(policy=f"{number:010d}") for number in range(MOST_REJECTIONS)]}
    found = rejections(history((plan(), ended(Phase.REVERTED)), deployment=deployment(status)))
    assert len(found) == MOST_REJECTIONS
    assert found[-1].policy == plan().spec.policy


@pytest.mark.parametrize(
    ("phase", "retry", "acknowledged", "wanted", "asked"),
    [
        pytest.param(Phase.REVERTED, "again", None, CANARY, True, id="new text on a reverted one"),
        pytest.param(Phase.ABORTED, "again", "before", CANARY, True, id="another text on an aborted one"),
        pytest.param(Phase.REVERTED, "again", "again", CANARY, False, id="the text of before"),
        pytest.param(Phase.REVERTED, None, None, CANARY, False, id="no text"),
        pytest.param(Phase.REVERTED, "again", None, STABLE, False, id="another revision is wanted"),
        pytest.param(Phase.SUCCEEDED, "again", None, CANARY, False, id="it succeeded"),
        pytest.param(Phase.SUPERSEDED, "again", None, CANARY, False, id="it was superseded"),
    ],
)
def test_a_retry_is_a_new_text_on_a_rejecting_rollout_of_the_wanted_revision(
    phase: Phase, retry: str | None, acknowledged: str | None, wanted: str, asked: bool
) -> None:
    """Anything else starts nothing."""
    state = ended(phase, acknowledged=Levers(retry=acknowledged))
    assert retry_asked(RolloutSeen(plan(retry=retry), state), revision(wanted)) is asked


def test_the_newest_rollout_is_stored_before_an_older_ones_retry() -> None:
    """A write that fails for the older one must not keep a verdict from the cluster."""
    older = RolloutSeen(plan(retry="mended"), ended(Phase.REVERTED))
    newest = RolloutSeen(plan(attempt=2), at_step(0, 0, started_at=None))
    decision = decide(seen(rollouts=(older, newest)), NOW)
    assert [stored.plan.spec.attempt for stored in decision.states] == [2, 1]
