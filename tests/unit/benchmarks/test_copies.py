"""Copies of a ModelDeployment's objects in etcd."""

from __future__ import annotations

import json

import pytest

from benchmarks.etcd import aged, copied
from benchmarks.marks import wishes_about
from serinus.core.model.kinds import Json
from serinus.core.plan.diff import INTENT_ANNOTATION, same_intent, with_intent

OWN, OTHERS = "11111111-aaaa-4bbb-8ccc-222222222222", "33333333-dddd-4eee-9fff-444444444444"
TEMPLATE = {
    b"/registry/serinus.dev/rollouts/bench/model-00000-ab-1": f'{{"name":"model-00000-ab-1","uid":"{OWN}"}}'.encode(),
    b"/registry/pods/bench/model-00000-ab-x": b"k8s\x00\x0bmodel-00000\x24" + f"{OTHERS}{OWN}".encode(),
}


def test_a_copy_has_another_name_and_other_uids_and_the_same_length() -> None:
    """Also where lengths are written in bytes before the text, as in the API server's protobuf."""
    made = copied(TEMPLATE, "model-00000", "model-00042")
    for (key, value), (other_key, other_value) in zip(TEMPLATE.items(), made.items(), strict=True):
        assert other_key == key.replace(b"00000", b"00042")
        assert len(other_value) == len(value)
        assert b"model-00000" not in other_value
        assert OWN.encode() not in other_value


def test_an_owner_is_called_alike_in_all_its_objects() -> None:
    """Owner references hold within a copy, and lead out of none."""
    first, second = (copied(TEMPLATE, "model-00000", name) for name in ("model-00001", "model-00002"))
    (rollout, pod), (other, _) = [*first.values()], [*second.values()]
    uid = rollout.split(b'"uid":"')[1][:36]
    assert pod.endswith(uid)
    assert uid not in other


def test_a_name_of_another_length_is_refused() -> None:
    """It would break what is copied."""
    with pytest.raises(ValueError, match="as long as model-00000"):
        copied(TEMPLATE, "model-00000", "model-1")


def wish(name: str, owner: str, **annotations: str) -> Json:
    """What the operator wants of a child, before it is marked."""
    metadata = {"name": f"{name}-ab", "ownerReferences": [{"name": name, "uid": owner}]}
    noted = {"annotations": annotations} if annotations else {}
    spec = {"selector": {"of": name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {**metadata, **noted}, "spec": spec}


@pytest.mark.parametrize("annotations", [{}, {"team": "model-00000"}], ids=["the mark alone", "others too"])
def test_a_copy_has_the_mark_of_its_own_wish(annotations: dict[str, str]) -> None:
    """The operator finds every child as it wants it, and applies nothing."""
    marked = with_intent(wish("model-00000", OWN, **annotations))
    key = b"/registry/services/bench/model-00000-ab"
    made = copied({key: json.dumps(marked).encode()}, "model-00000", "model-00042", [marked])
    live = json.loads(made[key.replace(b"00000", b"00042")])
    owner = live["metadata"]["ownerReferences"][0]["uid"]
    own = {word: text.replace("00000", "00042") for word, text in annotations.items()}
    assert same_intent(live, with_intent(wish("model-00042", owner, **own)))
    assert not same_intent(live, marked)


def test_a_mark_that_is_not_ours_to_make_is_refused() -> None:
    """Rather than copies that the operator would go over."""
    marked = wish("model-00000", OWN, **{INTENT_ANNOTATION: "0123456789"})
    with pytest.raises(ValueError, match="the mark of Service model-00000-ab"):
        copied(TEMPLATE, "model-00000", "model-00042", [marked])


def test_wishes_are_those_of_one_name_that_are_marked() -> None:
    """A ControllerRevision is applied without a mark, and others are others'."""
    marked, bare = with_intent(wish("model-00000", OWN)), wish("model-00000", OWN)
    applied = {
        "/api/v1/namespaces/bench/services/model-00000-ab": marked,
        "/apis/apps/v1/namespaces/bench/controllerrevisions/model-00000-ab": bare,
        "/api/v1/namespaces/bench/services/trial-00000-ab": with_intent(wish("trial-00000", OWN)),
    }
    assert wishes_about("model-00000", applied) == (marked,)


def test_times_are_moved_into_the_past_in_their_own_length() -> None:
    """Across midnight too, with and without fractions of a second."""
    text = b'"a":"2026-12-01T00:10:00Z","b":"2026-12-01T00:59:59.123Z","c":"2026-12-01"'
    earlier = b'"a":"2026-11-30T23:10:00Z","b":"2026-11-30T23:59:59.123Z","c":"2026-12-01"'
    assert aged(text, 3600) == earlier
