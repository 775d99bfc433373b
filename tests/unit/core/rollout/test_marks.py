"""What a model registry should say of the versions that were tried."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.status import Phase
from serinus.core.model.artifact import Artifact
from serinus.core.model.kinds import Json
from serinus.core.model.registry import Mark, registered_version
from serinus.core.model.rollout import RolloutState
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.plan.fetched import CONTAINER
from serinus.core.rollout.marks import marks_of, told_of
from tests.unit.core.rollout.given import CANARY, NOW, STABLE, at_step, plan, revision, seen

SERVER = "https://mlflow"


def fetched(resolved: str) -> Artifact:
    return Artifact(f"sha256:{'a' * 64}", resolved)


def asking(server: str) -> Json:
    """A template whose pods fetch from a server."""
    fetcher = {"name": CONTAINER, "env": [{"name": "MLFLOW_TRACKING_URI", "value": server}]}
    return {"spec": {"initContainers": [fetcher]}}


def ended(phase: Phase, reason: str = "", message: str = "") -> RolloutState:
    state = at_step(4, 0, phase=phase, finished_at=NOW - 10, settled_at=NOW - 10)
    return replace(state, reason=reason or None, message=message or None)


def tried(state: RolloutState, *, versions: tuple[str, str] = ("1", "2")) -> Snapshot:
    """Stable serves one version of model fraud, and another one was tried."""
    kept = (revision(STABLE, 1, succeeded_at=NOW - 400), revision(CANARY, 2))
    of = (f"mlflow://models/fraud/{version}" for version in versions)
    revisions = tuple(
        replace(one, artifact=fetched(uri), template=asking(SERVER)) for one, uri in zip(kept, of, strict=True)
    )
    return seen(revisions=revisions, rollouts=(RolloutSeen(plan(), state),))


@pytest.mark.parametrize(
    ("state", "mark"),
    [
        pytest.param(ended(Phase.REVERTED, "LimitExceeded"), Mark.REJECTED, id="reverted"),
        pytest.param(ended(Phase.ABORTED, "AbortRequested"), Mark.REJECTED, id="aborted"),
        pytest.param(ended(Phase.REVERTED, "GroupReverted"), None, id="another member was reverted"),
        pytest.param(ended(Phase.SUPERSEDED, "NewSpec"), None, id="superseded"),
        pytest.param(at_step(2, 50), None, id="under way"),
        pytest.param(ended(Phase.SUCCEEDED), Mark.SERVING, id="succeeded"),
    ],
)
def test_a_mark_is_the_verdict_of_a_rollout(state: RolloutState, mark: Mark | None) -> None:
    """What came to none of its own says nothing."""
    assert [one.marking.mark for one in marks_of(tried(state), SERVER)] == ([mark] if mark else [])


def test_a_version_that_serves_is_not_rejected() -> None:
    """Two revisions may hold the same version."""
    assert marks_of(tried(ended(Phase.REVERTED, "LimitExceeded"), versions=("1", "1")), SERVER) == ()


def test_a_version_of_another_server_is_none_of_this_registrys() -> None:
    """It may have been fetched before the endpoint was configured, from a server that the user named."""
    assert marks_of(tried(ended(Phase.SUCCEEDED)), "https://another") == ()


def test_the_mark_tells_who_decided_and_why() -> None:
    """In the words of the Rollout."""
    (due,) = marks_of(tried(ended(Phase.REVERTED, "LimitExceeded", "error-rate is 20%")), SERVER)
    assert (due.marking.rollout, due.marking.why) == (f"ml/{CANARY}-1", "LimitExceeded: error-rate is 20%")
    assert told_of(due.recorded("ml")) == "rejected"
    assert due.recorded("ml")["metadata"]["uid"] == plan().uid


@pytest.mark.parametrize(
    ("resolved", "told"),
    [
        pytest.param("mlflow://models/fraud/7", "version 7 of fraud", id="version"),
        pytest.param("mlflow://models/fraud model/7", "version 7 of fraud model", id="blanks"),
        pytest.param("mlflow://runs/1f0c/model", None, id="run"),
        pytest.param("s3://models/fraud/7", None, id="elsewhere"),
        pytest.param("mlflow://models/fraud@champion", None, id="alias that nobody has resolved"),
    ],
)
def test_the_registered_version_is_what_was_resolved(resolved: str, told: str | None) -> None:
    """Only what the registry has can be marked there."""
    found = registered_version(fetched(resolved))
    assert (str(found) if found else None) == told
    assert registered_version(None) is None
