"""ControllerRevisions and the copies of ConfigMaps: rendered, marked, read back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.artifact import Artifact, read_artifact
from serinus.core.model.kinds import Json
from serinus.core.model.revision import revision_hash
from serinus.core.plan.revisions import (
    annotated,
    content_digest,
    mark_of_fetch,
    mark_of_success,
    next_number,
    read_revision,
    recorded_spec,
    render_config_map,
    render_controller_revision,
)
from tests.unit.core.plan.given import FULL, HASH, OWNER, SMALL, assert_valid, expected, revision, spec, template

TEAMS: Json = {
    **FULL,
    "runtime": {
        **FULL["runtime"],
        "podTemplate": {"containers": [{"name": "a", "image": "b", "ports": []}], "affinity": {"nodeAffinity": {}}},
    },
}
SERVER_FIELDS = {"uid": "rev-uid", "creationTimestamp": "2026-03-01T10:00:00Z", "resourceVersion": "7"}


def _rendered(raw: Json | None = None) -> Json:
    return render_controller_revision(
        OWNER,
        name=f"fraud-{HASH}",
        number=3,
        spec=spec(raw),
        model="fraud",
        template=template(raw),
        hashed=HASH,
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


def _hashed(raw: Json, files: Json | None = None) -> Json:
    """A live ControllerRevision whose hash is that of its spec and files."""
    content = content_digest(files["data"], files.get("binaryData") or {}) if files else None
    hashed = revision_hash(spec(raw), content)
    return _live(
        render_controller_revision(
            OWNER,
            name=f"fraud-{hashed}",
            number=1,
            spec=spec(raw),
            model="fraud",
            template={},
            hashed=hashed,
            config_map=None,
            files=files,
        )
    )


@pytest.mark.parametrize(
    ("raw", "files"),
    [(FULL, None), (SMALL, {"data": {"config.pbtxt": "x"}}), (TEAMS, None)],
    ids=["full", "with files", "a sidecar"],
)
def test_model_and_runtime_are_given_back_as_they_were(raw: Json, files: Json | None) -> None:
    """All else of the spec is that of now."""
    now = spec(
        {"model": {"version": "43", "storageUri": "pvc://m/43"}, "runtime": {"image": "i"}, "guard": {"duration": "1s"}}
    )
    found = recorded_spec(_hashed(raw, files), now)
    assert (found.model, found.runtime, found.guard) == (spec(raw).model, spec(raw).runtime, now.guard)


def _without_spec(data: Json) -> None:
    del data["spec"]


def _edited(data: Json) -> None:
    data["spec"]["runtime"]["image"] = "another"


def _cut(data: Json) -> None:
    del data["spec"]["model"]["version"]


@pytest.mark.parametrize(
    ("harm", "words"),
    [(_without_spec, "without model and runtime"), (_edited, "not those that its hash"), (_cut, "version")],
)
def test_what_is_not_surely_the_revisions_is_not_given_back(harm: Callable[[Json], None], words: str) -> None:
    """A way back to something else would be a new version that nobody has tried."""
    manifest = _hashed(FULL)
    harm(manifest["data"])
    with pytest.raises(ValueError, match=words):
        recorded_spec(manifest, spec())


@given(st.floats(min_value=0, max_value=4e9))
def test_the_success_mark_reads_back_to_the_millisecond(at: float) -> None:
    live = _live(_rendered())
    live["metadata"]["annotations"] |= mark_of_success(live, at)["metadata"]["annotations"]
    marked = read_revision(live)
    assert marked.succeeded_at is not None
    assert abs(marked.succeeded_at - at) <= 0.001


def test_the_success_mark_is_a_patch_of_one_annotation_with_its_uid() -> None:
    marked = mark_of_success(_live(_rendered()), 1772359200.0)
    annotations = {"serinus.dev/succeeded-at": "2026-03-01T10:00:00.000Z"}
    assert marked == {"metadata": {"uid": "rev-uid", "annotations": annotations}}


def test_what_was_fetched_is_a_patch_that_another_process_is_not_overwritten_by() -> None:
    artifact = Artifact("sha256:ab", "s3://models/fraud/42")
    marked = mark_of_fetch(_live(_rendered()), artifact)["metadata"]
    assert (marked["uid"], marked["resourceVersion"]) == ("rev-uid", "7")
    assert read_artifact(marked["annotations"]["serinus.dev/artifact"]) == artifact


def test_an_annotation_is_an_apply_of_the_whole_object_with_its_uid() -> None:
    marked = annotated(_live(_rendered()), {"serinus.dev/wish": "w", "serinus.dev/version": None})
    assert marked["metadata"]["annotations"] == {"serinus.dev/wish": "w"}
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
