"""MLServer for real: scikit-learn models from a bucket, through a canary, under restricted Pod Security."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serinus_local import mlserver_image
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served, succeeded
from tests.e2e.stores import Bucket, bucket_on, fetched
from tests.e2e.trained import HOME_MADE, train

pytestmark = [pytest.mark.node, pytest.mark.timeout(420)]

STARTS_WITHIN = 120
"""Seconds: MLServer imports twice what Triton does, in two processes."""
RESTRICTED = "pod-security.kubernetes.io/enforce"
RATE = 15.0


@pytest.fixture(scope="module")
def bucket(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """Give a bucket, the image that the pods start, and a namespace that holds them to the strictest standard."""
    cluster.stack.node.load(mlserver_image.mlserver())
    cluster.kubectl("label", "namespace", given.NAMESPACE, f"{RESTRICTED}=restricted")
    with bucket_on(cluster.stack, tmp_path_factory.mktemp("store")) as found:
        cluster.apply(json.dumps(found.secret()))
        yield found
    cluster.kubectl("label", "namespace", given.NAMESPACE, f"{RESTRICTED}-")


def asked(name: str, number: int, *, probed: bool = True, **wishes: Any) -> str:
    """Render a version that MLServer serves from the bucket."""
    runtime = {**given.RUNTIME, "type": "mlserver", "image": mlserver_image.mlserver().name}
    manifest = json.loads(fetched(name, number, runtime=runtime, **{"deadline": STARTS_WITHIN, **wishes}))
    if not probed:
        del manifest["spec"]["model"]["probe"]
    return json.dumps(manifest)


def test_a_model_goes_through_a_canary_and_is_promoted(cluster: Cluster, bucket: Bucket, tmp_path: Path) -> None:
    """Over HTTP and gRPC, and no request is lost."""
    for number in (1, 2):
        bucket.store("iris", number, train(tmp_path / str(number), number))
    with served(cluster, "iris", first=asked("iris", 1), limit=STARTS_WITHIN, rate=RATE) as traffic:
        cluster.apply(asked("iris", 2))
        cluster.rollout("iris", 2, succeeded, what="the promotion", limit=STARTS_WITHIN)
        traffic.wait_for("2", more=10)
    assert set(traffic.tally.by_label) == {"1", "2"}, traffic.tally.failures


def test_a_model_that_fails_on_requests_is_reverted(cluster: Cluster, bucket: Bucket, tmp_path: Path) -> None:
    """It was trained on fewer features than callers send, and no sample request was given to find that out before."""
    bucket.store("narrow", 1, train(tmp_path / "1", 1))
    bucket.store("narrow", 2, train(tmp_path / "2", 2, columns=3))
    with served(cluster, "narrow", first=asked("narrow", 1), limit=STARTS_WITHIN, rate=RATE) as traffic:
        cluster.apply(asked("narrow", 2, probed=False))
        ended = cluster.rollout(
            "narrow", 2, lambda status: status.get("phase") == "Reverted", what="the way back", limit=STARTS_WITHIN
        )
        traffic.wait_for("1", more=10)
    assert ended["status"]["weight"] == 0
    assert ended["status"]["decisions"][-1]["metric"] == "error-rate"
    assert all("3 features" in said for said in traffic.tally.failures), traffic.tally.failures


def test_a_model_that_cannot_be_loaded_gets_no_traffic(cluster: Cluster, bucket: Bucket, tmp_path: Path) -> None:
    """The reason has the words of what MLServer has run into."""
    bucket.store("home-made", 1, train(tmp_path / "1", 1, step=HOME_MADE))
    cluster.apply(asked("home-made", 1))
    try:
        found = cluster.rollout(
            "home-made", 1, lambda status: status.get("reason") == "ModelLoadFailed", what="the reason", limit=90
        )
    finally:
        cluster.kubectl("delete", "mdep", "home-made", "--wait=false")
    assert "No module named 'steps'" in found["status"]["message"]


def test_a_rollout_goes_from_triton_to_mlserver_and_back(cluster: Cluster, bucket: Bucket, tmp_path: Path) -> None:
    """Callers see one protocol: no request is lost either way."""
    bucket.put("moving", 1)
    bucket.store("moving", 2, train(tmp_path / "2", 2))
    bucket.put("moving", 3)
    with served(cluster, "moving", first=fetched("moving", 1), rate=RATE) as traffic:
        cluster.apply(asked("moving", 2))
        cluster.rollout("moving", 2, succeeded, what="the way to MLServer", limit=STARTS_WITHIN)
        cluster.apply(fetched("moving", 3))
        cluster.rollout("moving", 3, succeeded, what="the way back to Triton", limit=STARTS_WITHIN)
    assert set(traffic.tally.by_label) == {"1", "2", "3"}, traffic.tally.failures
