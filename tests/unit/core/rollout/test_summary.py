"""The line of `kubectl get mdep`: the rollout's while one is in progress, and else stable's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.defaults import policy_of
from serinus.api.model_deployment import ModelDeploymentStatus, Rejection
from serinus.api.status import Phase, Verdict
from serinus.core.model.exposure import Exposure
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.decision import NewRollout
from serinus.core.rollout.summary import Standing, summarise
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, deployment, fleet, plan, seen

SETTLED = {"finished_at": NOW - 30, "settled_at": NOW - 30}


def ended(phase: Phase, weight: int = 0) -> RolloutState:
    return RolloutState(phase=phase, exposure=Exposure(weight), verdict=Verdict.UNDECIDED, reason="NewSpec", **SETTLED)


def line(
    snapshot: Snapshot, *, stable: str | None = STABLE, rejected: tuple[Rejection, ...] = ()
) -> ModelDeploymentStatus:
    newest = snapshot.newest
    active = newest if newest is not None and newest.state.active else None
    return summarise(Standing(snapshot, stable, active, rejected, None), NOW)


def told(status: ModelDeploymentStatus) -> tuple[str | None, str | None, str | None]:
    return status.phase, status.verdict, status.reason


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.SUPERSEDED, Phase.ABORTED], ids=str)
def test_a_healthy_model_reads_as_serving_whatever_became_of_its_last_rollout(phase: Phase) -> None:
    """Its end, and what was said before it, stand in the Rollout's own line."""
    assert told(line(seen(ended(phase), wanted=STABLE))) == ("Serving", None, None)


def test_a_rollout_in_progress_is_what_the_line_is_about() -> None:
    """Phase, verdict and reason are the Rollout's."""
    state = at_step(1, 10, verdict=Verdict.SAFE, reason="Pausing")
    assert told(line(seen(state))) == ("Progressing", "Safe", "Pausing")


def test_a_stable_without_a_ready_pod_is_not_serving() -> None:
    """And the reason says which condition to read."""
    broken = seen(ended(Phase.SUCCEEDED), wanted=STABLE, fleets={STABLE: fleet(ready=0)})
    assert told(line(broken)) == ("NotReady", None, "StableNotReady")


def test_a_rejected_version_is_the_reason_beside_a_stable_that_serves() -> None:
    """Stable serves; git asks for something that was rolled back."""
    snapshot = seen(ended(Phase.REVERTED))
    digest = policy_of(deployment().spec).digest
    rejection = Rejection(
        revision=CANARY, version="2", policy=digest, rollout=plan().name, reason="Worse", at="2026-01-01T00:00:00Z"
    )
    assert told(line(snapshot, rejected=(rejection,))) == ("Serving", None, "RevisionRejected")


def test_a_first_revision_that_failed_leaves_nothing_to_serve() -> None:
    """There is no stable to describe: the line keeps what became of it."""
    first = plan(stable=None)
    assert line(seen(ended(Phase.ABORTED), of=first), stable=None).phase == "Aborted"


def test_a_rollout_about_to_start_is_pending() -> None:
    """Between two rollouts of one pass."""
    snapshot = seen(ended(Phase.SUCCEEDED))
    standing = Standing(snapshot, STABLE, None, (), NewRollout("fraud-cccccccccc-1", plan().spec))
    assert summarise(standing, NOW).phase == "Pending"


def test_nothing_is_stalled_while_the_spec_is_applied() -> None:
    """The condition says so in words."""
    (stalled,) = [one for one in line(replace(seen(at_step(1, 10)))).conditions if one.type == "Stalled"]
    assert (stalled.status, stalled.message) == ("False", "The spec is being applied")
