"""When there is nothing that `undo` could go back to: one message says why, and where else to look."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.cli.errors import NotAllowed
from tests.unit.cli.given import FakeCluster, say
from tests.unit.cli.undo_given import name_of, recorded, served, spec_in, spec_of, trying, wanting


def refused(fake: FakeCluster, *words: str) -> str:
    """The one message with which an undo ends."""
    answer = say(fake, "undo", "fraud", *words)
    assert answer.exit_code == 1
    return answer.stderr.removeprefix("serinus: ")


def _harmed(**data: Any) -> FakeCluster:
    fake = served("1", "2")
    fake.revisions[0]["data"] |= data
    return fake


def _without(fake: FakeCluster, *keys: str) -> FakeCluster:
    for key in keys:
        del fake.revisions[0]["data"][key]
    return fake


def _lost(fake: FakeCluster) -> FakeCluster:
    del fake.revisions[0]
    return fake


FIRST = name_of(spec_of("1"))
_STABLE = {"revision": FIRST, "version": "1", "readyReplicas": 1, "replicas": 1}


@pytest.mark.parametrize(
    ("fake", "words", "message"),
    [
        pytest.param(served("1"), [], "version 1 is the first revision of fraud: nothing served before it", id="first"),
        pytest.param(
            wanting(spec_of("3"), recorded(spec_of("3"), 3)),
            [],
            "no revision before version 3 is kept (revisionHistoryLimit is 10): take its manifest from git",
            id="pruned",
        ),
        pytest.param(wanting(spec_of("3")), [], "no revision of fraud is recorded yet: serinus status", id="none"),
        pytest.param(
            wanting(spec_of("3")),
            ["--to", "1"],
            "fraud has no version or revision 1, and none is kept",
            id="none named",
        ),
        pytest.param(
            wanting(spec_of("2"), recorded(spec_of("1"), 1, succeeded=False), recorded(spec_of("2"), 2)),
            [],
            "no other revision of fraud has served yet; name one with --to:\n  1  fraud-",
            id="none served",
        ),
        pytest.param(
            served("1", "2"), ["--to", "2"], "nothing to undo: the spec of fraud asks for version 2", id="same"
        ),
        pytest.param(
            _without(served("1", "2"), "spec"),
            [],
            f"ControllerRevision {FIRST} cannot give back version 1: it was recorded without model and runtime",
            id="recorded by an earlier version",
        ),
        pytest.param(
            _harmed(spec={"model": {}, "runtime": {}}),
            [],
            f"ControllerRevision {FIRST} cannot give back version 1: spec.model.version: ",
            id="model unreadable",
        ),
        pytest.param(
            _harmed(spec="words"), [], f"ControllerRevision {FIRST} cannot give back version 1: ", id="spec is a text"
        ),
        pytest.param(
            _harmed(spec={**spec_of("1"), "runtime": {"image": "another"}}),
            [],
            f"ControllerRevision {FIRST} cannot give back version 1: its model and runtime are not those that its hash",
            id="edited",
        ),
        pytest.param(
            _without(served("1", "2"), "hash"),
            ["--to", FIRST],
            f"ControllerRevision {FIRST} cannot be read by this version of serinus: take its manifest from git",
            id="unreadable",
        ),
        pytest.param(
            _without(trying("1", "2"), "hash"),
            [],
            f"ControllerRevision {FIRST} cannot be read by this version of serinus, and it serves: take",
            id="stable unreadable",
        ),
        pytest.param(
            _without(served("1", "2", status={"stable": _STABLE}), "hash"),
            ["--to", "2"],
            f"ControllerRevision {FIRST} cannot be read by this version of serinus, and it serves: take",
            id="stable unreadable, as the status has it",
        ),
        pytest.param(
            _lost(trying("1", "2")), [], f"ControllerRevision {FIRST} is gone, and it serves: take", id="stable gone"
        ),
    ],
)
def test_where_there_is_no_way_back_one_message_says_why(fake: FakeCluster, words: list[str], message: str) -> None:
    """And where else to look; nothing is written."""
    before = spec_in(fake)
    told = refused(fake, *words, "--apply")
    assert told.startswith(message)
    assert spec_in(fake) == before


def test_a_version_that_is_not_kept_lists_what_there_is() -> None:
    """Version, revision, when, and what serves: newest first."""
    first, second = name_of(spec_of("1")), name_of(spec_of("2"))
    assert refused(served("1", "2"), "--to", "7").splitlines() == [
        "fraud has no version or revision 7; these are kept:",
        f"  2  {second}  succeeded 2025-12-03 00:10:00Z  serves, in the spec",
        f"  1  {first}  succeeded 2025-12-02 00:10:00Z",
    ]


def test_a_version_of_two_revisions_must_be_named_by_one_of_them() -> None:
    """A runtime was changed under the same version."""
    other = {**spec_of("1"), "runtime": {"image": "another"}}
    kept = (recorded(spec_of("1"), 1), recorded(other, 2, succeeded=False), recorded(spec_of("3"), 3))
    told = refused(wanting(spec_of("3"), *kept), "--to", "1").splitlines()
    assert told[0] == "2 revisions of fraud are version 1: name one of them with --to"
    assert [line.split()[1] for line in told[1:]] == [name_of(other), FIRST]


def test_a_revision_of_a_namesake_that_is_gone_is_not_ours() -> None:
    """The garbage collector has not come yet."""
    fake = served("1", "2")
    fake.revisions[0]["metadata"]["ownerReferences"][0]["uid"] = "u-0"
    assert refused(fake).startswith("no revision before version 2 is kept")


def test_a_revision_that_differs_in_files_alone_is_no_manifest_to_go_back_to() -> None:
    """The same manifest means the files that were there last."""
    one = spec_of("1", storageUri="configmap://fraud")
    older, newer = recorded(one, 1, files={"data": {"a": "1"}}), recorded(one, 2, files={"data": {"a": "2"}})
    told = refused(wanting(one, older, newer))
    assert "have one manifest and differ in the files of ConfigMap fraud alone" in told


def test_what_the_cluster_refuses_is_one_sentence() -> None:
    """As with every command."""
    fake = served("1", "2")
    fake.refusal = NotAllowed("you may not get modeldeployments in namespace ml")
    assert refused(fake) == "you may not get modeldeployments in namespace ml\n"
