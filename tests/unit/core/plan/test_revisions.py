"""ControllerRevisions and the copies of ConfigMaps: rendered, marked, read back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.kinds import Json
from serinus.core.plan.revisions import (
    content_digest,
    mark_succeeded,
    next_number,
    read_revision,
    render_config_map,
    render_controller_revision,
)
from tests.unit.core.plan.given import FULL, HASH, OWNER, assert_valid, expected, revision, spec, template

SERVER_FIELDS = {"uid": "rev-uid", "creationTimestamp": "2026-03-01T10:00:00Z", "resourceVersion": "7"}


def _rendered(raw: Json | None = None) -> Json:
    return render_controller_revision(
        OWNER,
        name=f"fraud-{HASH}",
        number=3,
        spec=spec(raw),
        model="fraud",
        template=template(raw),
        revision_hash=HASH,
        config_map=None if raw else f"fraud-{HASH}",
    )


def _live(manifest: Json) -> Json:
    return {
        **manifest,
        "metadata": {**manifest["metadata"], **SERVER_FIELDS, "managedFields": [{"manager": "serinus"}]},
    }


def test_the_snapshot_is_the_one_on_record() -> None:
    assert _rendered() == expected("controller-revision")


def test_kubernetes_knows_every_field() -> None:
    assert_valid(_rendered(FULL))


def test_a_revision_reads_back_as_it_was_rendered() -> None:
    read = read_revision(_live(_rendered(FULL)))
    assert (read.name, read.hash, read.number, read.version) == (f"fraud-{HASH}", HASH, 3, "42 (spring)")
    assert read.template == template(FULL)
    assert read.probe == spec(FULL).model.probe
    assert (read.uid, read.created_at, read.succeeded) == ("rev-uid", 1772359200.0, False)


def test_a_revision_remembers_its_copy_of_the_config_map() -> None:
    assert read_revision(_live(_rendered())).config_map == f"fraud-{HASH}"


@given(st.floats(min_value=0, max_value=4e9))
def test_the_success_mark_reads_back_to_the_millisecond(at: float) -> None:
    marked = read_revision(mark_succeeded(_live(_rendered()), at))
    assert marked.succeeded_at is not None
    assert abs(marked.succeeded_at - at) <= 0.001


def test_the_success_mark_is_an_apply_of_the_whole_object_with_its_uid() -> None:
    marked = mark_succeeded(_live(_rendered()), 1772359200.0)
    assert marked["metadata"]["annotations"] == {
        "serinus.dev/version": "42",
        "serinus.dev/succeeded-at": "2026-03-01T10:00:00.000Z",
    }
    assert marked["metadata"]["uid"] == "rev-uid"
    assert marked["data"] == _rendered()["data"]
    assert "managedFields" not in marked["metadata"]


def test_numbers_go_on_from_the_highest_that_is_kept() -> None:
    assert next_number([]) == 1
    assert next_number([revision(number=4), revision(number=2)]) == 5


def test_the_copy_of_a_config_map_is_immutable_and_owned() -> None:
    manifest = render_config_map(OWNER, f"fraud-{HASH}", HASH, {"model.py": "pass"}, {"w.npz": "AAEC"})
    assert_valid(manifest)
    assert manifest["immutable"] is True
    assert manifest["data"] == {"model.py": "pass"}
    assert manifest["binaryData"] == {"w.npz": "AAEC"}
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == OWNER.uid


def test_contents_have_one_digest_whatever_the_order_of_their_keys() -> None:
    assert content_digest({"a": "1", "b": "2"}, {}) == content_digest({"b": "2", "a": "1"}, {})


def test_text_and_binary_contents_have_different_digests() -> None:
    assert content_digest({"a": "1"}, {}) != content_digest({}, {"a": "1"})
