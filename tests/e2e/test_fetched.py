"""Models from a bucket: fetched by the pods, verified, and one revision is one set of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.serving import served, succeeded
from tests.e2e.stores import Bucket, fetched, fetching

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def bucket(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """Give a bucket whose keys are in the namespace."""
    with fetching(cluster.stack, tmp_path_factory.mktemp("store")) as found:
        cluster.apply(json.dumps(found.secret()))
        yield found


def test_a_model_by_digest_is_rolled_out_and_promoted(cluster: Cluster, bucket: Bucket) -> None:
    """No request is lost, and what was fetched is on record."""
    first, second = bucket.put("by-digest", 1), bucket.put("by-digest", 2)
    with served(cluster, "by-digest", first=fetched("by-digest", 1, digest=first)) as asked:
        cluster.apply(fetched("by-digest", 2, digest=second))
        ended = cluster.rollout("by-digest", 2, succeeded, what="the promotion")
        revision = ended["spec"]["to"]["revision"]
        record = cluster.list("ControllerRevision", "by-digest")[revision]
        assert json.loads(record["metadata"]["annotations"]["serinus.dev/artifact"])["digest"] == second
    assert set(asked.tally.by_label) <= {"1", "2"}


def test_other_bytes_than_asked_for_get_no_traffic(cluster: Cluster, bucket: Bucket) -> None:
    """The reason is that of the fetch, in its own words, and stable serves on."""
    bucket.put("wrong-bytes", 1)
    bucket.put("wrong-bytes", 2)
    with served(cluster, "wrong-bytes", first=fetched("wrong-bytes", 1)) as asked:
        cluster.apply(fetched("wrong-bytes", 2, digest=f"sha256:{'0' * 64}", deadline=20))
        ended = cluster.rollout(
            "wrong-bytes", 2, lambda status: status.get("phase") == "Aborted", what="the end of the deadline"
        )
        assert ended["status"]["reason"] == "ArtifactDigestMismatch"
        assert ended["status"]["weight"] == 0
    assert set(asked.tally.by_label) <= {"1", "2"}


def test_keys_that_the_store_does_not_know_are_said_in_seconds(cluster: Cluster, bucket: Bucket) -> None:
    """A first version waits with the reason, and with what to do."""
    bucket.put("denied", 1)
    cluster.apply(json.dumps(bucket.secret("old-keys", AWS_SECRET_ACCESS_KEY="rotated-away")))
    cluster.apply(fetched("denied", 1, secret="old-keys"))
    found = cluster.rollout(
        "denied", 1, lambda status: status.get("reason") == "ArtifactDenied", what="the reason", limit=40
    )
    assert "spec.model.credentials" in found["status"]["message"]
    cluster.kubectl("delete", "mdep", "denied", "--wait=false")


def test_an_overwritten_folder_gives_no_pod_with_other_bytes(cluster: Cluster, bucket: Bucket) -> None:
    """A pod that comes later does not start; those that serve go on with what they have."""
    bucket.put("overwritten", 1)
    with served(cluster, "overwritten", first=fetched("overwritten", 1)) as asked:
        bucket.put("overwritten", 1, answers=9)
        cluster.apply(fetched("overwritten", 1, replicas=2))
        cluster.wait(
            "Pod",
            "overwritten",
            lambda pods: any("ArtifactChanged" in json.dumps(pod["status"]) for pod in pods.values()),
            what="a pod that does not start",
        )
        asked.wait_for("1", more=25)
    assert set(asked.tally.by_label) == {"1"}


def test_an_ensemble_is_asked_by_its_own_name(cluster: Cluster, bucket: Bucket) -> None:
    """The models beside it are loaded with it, and it goes through a canary as any other."""
    bucket.put_ensemble("ensemble", 1)
    bucket.put_ensemble("ensemble", 2)
    with served(cluster, "ensemble", first=fetched("ensemble", 1)) as asked:
        cluster.apply(fetched("ensemble", 2))
        cluster.rollout("ensemble", 2, succeeded, what="the promotion")
    assert set(asked.tally.by_label) == {"1", "2"}
