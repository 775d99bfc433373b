"""`history` and `diff`: which models served, who judged them, and in what they differ."""

from __future__ import annotations

import json

import pytest

from serinus.core.model.artifact import Artifact
from serinus.core.model.kinds import Json
from serinus.core.plan.revisions import ARTIFACT_ANNOTATION
from tests.unit.cli.given import WORDS_THAT_MIGHT_BE_MARKUP, FakeCluster, say
from tests.unit.cli.undo_given import name_of, recorded, served, spec_of, trying, wanting

FETCHED = Artifact(f"sha256:{'ab' * 32}", "mlflow://models/fraud/7", 9, {"mlflowRunId": "1f0c"})


def fetched(version: str, number: int, artifact: Artifact = FETCHED) -> Json:
    """A live ControllerRevision whose model was fetched from an alias."""
    manifest = recorded(spec_of(version, storageUri="mlflow://models/fraud@champion"), number)
    manifest["metadata"]["annotations"][ARTIFACT_ANNOTATION] = artifact.text()
    return manifest


def history(fake: FakeCluster, *words: str) -> str:
    answer = say(fake, "history", "fraud", *words)
    assert answer.exit_code == 0, answer.stderr
    return str(answer.stdout)


def test_the_newest_revision_comes_first_and_what_serves_is_said() -> None:
    """As people look for it."""
    lines = history(served("1", "2")).splitlines()
    titles = [line for line in lines if line.startswith("version")]
    assert titles == [f"version 2  {name_of(spec_of('2'))}  serves", f"version 1  {name_of(spec_of('1'))}"]
    assert next(line.split() for line in lines if "model" in line) == ["model", "pvc://models/fraud/2"]
    assert "revisionHistoryLimit" in lines[-1]


def test_who_judged_a_revision_and_how_that_ended_is_said() -> None:
    """With the reason in the words of the rollout."""
    text = history(trying("1", "2", phase="Reverted", reason="LimitExceeded", weight=0))
    newest = text.partition("version 1")[0]
    assert newest.splitlines()[0].endswith("in the spec")
    assert "stable   never" in newest
    assert f"rollout  {name_of(spec_of('2'))}-1  Reverted (LimitExceeded)" in newest


def test_of_what_was_fetched_the_digest_is_shown() -> None:
    """In JSON with what the alias stood for, and with the training run behind it."""
    one = fetched("1", 1)
    fake = wanting(spec_of("1", storageUri="mlflow://models/fraud@champion"), one)
    assert f"mlflow://models/fraud/7  {FETCHED.digest}" in history(fake)
    assert "mlflowRunId 1f0c" in history(fake)
    (told,) = json.loads(history(fake, "--json"))
    assert (told["digest"], told["resolved"]) == (FETCHED.digest, "mlflow://models/fraud/7")
    assert told["lineage"] == {"mlflowRunId": "1f0c"}
    assert told["serves"] is True


@pytest.mark.parametrize("words", WORDS_THAT_MIGHT_BE_MARKUP)
def test_what_a_user_wrote_is_shown_as_it_is(words: str) -> None:
    """Where the model lies, and its lineage: none of it is markup."""
    artifact = Artifact(FETCHED.digest, f"s3://b/{words}/x", 9)
    kept = recorded(spec_of("1", lineage={"gitCommit": words}), 1)
    kept["metadata"]["annotations"][ARTIFACT_ANNOTATION] = artifact.text()
    text = history(wanting(spec_of("1"), kept))
    assert f"s3://b/{words}/x  {FETCHED.digest}" in text
    assert f"gitCommit {words}" in text


def test_lineage_is_what_the_user_wrote_over_what_the_store_knows() -> None:
    """Labels stand beside the named fields."""
    lineage = {"gitCommit": "9d1f", "labels": {"owner": "risk"}}
    one = recorded(spec_of("1", lineage=lineage), 1)
    one["metadata"]["annotations"][ARTIFACT_ANNOTATION] = FETCHED.text()
    (told,) = json.loads(history(wanting(spec_of("1"), one), "--json"))
    assert told["lineage"] == {"mlflowRunId": "1f0c", "gitCommit": "9d1f", "owner": "risk"}


def test_before_any_revision_it_says_where_to_look() -> None:
    """An empty table would be a riddle."""
    assert "no revision of fraud is recorded yet: serinus status fraud tells why" in history(wanting(spec_of("1")))


def test_two_revisions_are_compared_by_what_was_asked_for_and_what_was_fetched() -> None:
    """One alias, two models: the spec alone would not tell."""
    other = Artifact(f"sha256:{'cd' * 32}", "mlflow://models/fraud/8")
    kept = (fetched("1", 1), fetched("2", 2, other))
    fake = wanting(spec_of("2", storageUri="mlflow://models/fraud@champion"), *kept)
    answer = say(fake, "diff", "fraud", "1", "2")
    assert answer.exit_code == 0, answer.stderr
    assert "-  resolved: mlflow://models/fraud/7" in answer.stdout
    assert "+  resolved: mlflow://models/fraud/8" in answer.stdout
    assert "+    version: '2'" in answer.stdout


def test_one_version_is_compared_with_what_serves() -> None:
    """What an SRE asks first: what is different from before?"""
    answer = say(served("1", "2"), "diff", "fraud", "1")
    assert "-    storageUri: pvc://models/fraud/1" in answer.stdout
    assert "+    storageUri: pvc://models/fraud/2" in answer.stdout


def test_a_revision_is_compared_with_itself() -> None:
    """And that is said, instead of nothing."""
    assert "no difference" in say(served("1"), "diff", "fraud", "1").stdout


def test_a_version_that_is_not_kept_is_refused_with_those_that_are() -> None:
    """The list is what a person would look up next."""
    answer = say(served("1", "2"), "diff", "fraud", "7")
    assert answer.exit_code == 1
    assert "fraud has no version or revision 7" in answer.stderr
