"""The termination message always fits, and is always JSON."""

from __future__ import annotations

import json
from pathlib import Path

from serinus_serving.fetch.errors import ArtifactDenied
from serinus_serving.fetch.termination import LIMIT, Fetched, failure_message, leave

DIGEST = "sha256:" + "0" * 64


def test_a_fetch_is_told_in_full() -> None:
    """What the operator keeps with the revision is there."""
    told = Fetched("s3://models/fraud", DIGEST, 12, 1.26, {"mlflowRunId": "7"}).message()
    assert json.loads(told) == {
        "resolved": "s3://models/fraud",
        "digest": DIGEST,
        "bytes": 12,
        "seconds": 1.3,
        "lineage": {"mlflowRunId": "7"},
    }


def test_lineage_that_is_too_long_is_left_out() -> None:
    """The digest matters more."""
    told = Fetched("s3://m/" + "ü" * 2000, DIGEST, 1, 1, {"note": "x" * LIMIT}).message()
    assert len(told.encode()) <= LIMIT
    assert json.loads(told)["digest"] == DIGEST
    assert "lineage" not in json.loads(told)


def test_a_long_message_is_cut() -> None:
    """A server's whole page can be an error's text, in whatever alphabet."""
    told = failure_message(ArtifactDenied("no " + '"ü😀\n' * 5000))
    assert len(told.encode()) <= LIMIT
    assert json.loads(told)["reason"] == "ArtifactDenied"
    assert json.loads(told)["message"].startswith("no ")


def test_nothing_is_made_outside_of_a_container(tmp_path: Path) -> None:
    """By hand there is nobody to read it."""
    leave("{}", tmp_path / "log", asked_for=False)
    assert not (tmp_path / "log").exists()
    leave("{}", tmp_path / "log", asked_for=True)
    assert (tmp_path / "log").read_text() == "{}"
