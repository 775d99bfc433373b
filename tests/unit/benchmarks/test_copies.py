"""Copies of a ModelDeployment's objects in etcd."""

from __future__ import annotations

import pytest

from benchmarks.etcd import aged, copied

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


def test_times_are_moved_into_the_past_in_their_own_length() -> None:
    """Across midnight too, with and without fractions of a second."""
    text = b'"a":"2026-12-01T00:10:00Z","b":"2026-12-01T00:59:59.123Z","c":"2026-12-01"'
    earlier = b'"a":"2026-11-30T23:10:00Z","b":"2026-11-30T23:59:59.123Z","c":"2026-12-01"'
    assert aged(text, 3600) == earlier
