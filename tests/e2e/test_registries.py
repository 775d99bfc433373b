"""Models of registries: a name that moves there moves nothing here until the spec changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.registries import (
    COMMIT,
    Artifacts,
    Registered,
    artifacts,
    fetched_of,
    has_all,
    registered,
)
from tests.e2e.serving import served, succeeded, wait_for_ready

pytestmark = [pytest.mark.node, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def registry(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Artifacts]:
    """Give a registry whose pull secret is in the namespace."""
    with artifacts(cluster.stack, tmp_path_factory.mktemp("registry")) as found:
        cluster.apply(found.secret())
        yield found


@pytest.fixture(scope="module")
def mlflow(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    """Give an MLflow whose login is in the namespace."""
    with registered(cluster.stack, tmp_path_factory.mktemp("mlflow")) as found:
        cluster.apply(found.secret())
        yield found


def test_an_artifact_is_rolled_out_with_a_pull_secret(cluster: Cluster, registry: Artifacts) -> None:
    """The status says which manifest the tag stood for."""
    registry.push("by-tag", "v1", answers=1)
    manifest = registry.push("by-tag", "v2", answers=2)
    with served(cluster, "by-tag", first=registry.version("by-tag", 1, tag="v1")) as asked:
        cluster.apply(registry.version("by-tag", 2, tag="v2"))
        cluster.rollout("by-tag", 2, succeeded, what="the promotion")
        asked.wait_for("2")
        stable = cluster.deployed("by-tag", is_stable("2"), what="version 2 in the status")["status"]["stable"]
    assert stable["resolved"] == registry.uri("by-tag", f"@{manifest}")
    assert stable["digest"].startswith("sha256:")
    assert set(asked.tally.by_label) <= {"1", "2"}


def test_a_login_that_the_registry_refuses_is_said_in_seconds(cluster: Cluster, registry: Artifacts) -> None:
    """With the field to look at."""
    registry.push("refused", "v1", answers=1)
    cluster.apply(registry.secret("old-login", password="rotated-away"))
    cluster.apply(registry.version("refused", 1, tag="v1", secret="old-login"))
    found = cluster.rollout(
        "refused", 1, lambda status: status.get("reason") == "ArtifactDenied", what="the reason", limit=40
    )
    assert "spec.model.credentials" in found["status"]["message"]
    cluster.kubectl("delete", "mdep", "refused", "--wait=false")


def test_a_moved_tag_gives_later_pods_the_recorded_manifest(cluster: Cluster, registry: Artifacts) -> None:
    """All pods of the revision answer as the first one does."""
    manifest = registry.push("moved-tag", "latest", answers=1)
    with served(cluster, "moved-tag", first=registry.version("moved-tag", 1, tag="latest")) as asked:
        assert registry.push("moved-tag", "latest", answers=9) != manifest
        cluster.apply(registry.version("moved-tag", 1, tag="latest", replicas=2))
        pods = has_all(cluster, "moved-tag", 2)
        wait_for_ready(cluster, "moved-tag", 2)
        asked.wait_for("1", more=50)
    assert {fetched_of(pod)["resolved"] for pod in pods} == {registry.uri("moved-tag", f"@{manifest}")}
    assert set(asked.tally.by_label) == {"1"}


def test_a_moved_alias_is_looked_up_with_the_next_change(cluster: Cluster, mlflow: Registered) -> None:
    """Until then a pod that comes later gets the recorded version; then it is a revision with a rollout of its own."""
    name = "moved-alias"
    mlflow.register(name, answers=1, alias="champion")
    with served(cluster, name, first=mlflow.version(name, 1)) as asked:
        (first,) = cluster.list("ControllerRevision", name)
        mlflow.register(name, answers=2, alias="champion")
        cluster.apply(mlflow.version(name, 1, replicas=2))
        pods = has_all(cluster, name, 2)
        wait_for_ready(cluster, name, 2)
        assert {fetched_of(pod)["resolved"] for pod in pods} == {f"mlflow://models/{name}/1"}
        assert list(cluster.list("ControllerRevision", name)) == [first]
        asked.wait_for("1", more=25)
        assert set(asked.tally.by_label) == {"1"}
        cluster.apply(mlflow.version(name, 2))
        cluster.rollout(name, 2, succeeded, what="the promotion")
        stable = cluster.deployed(name, is_stable("2"), what="version 2 in the status")["status"]["stable"]
        asked.wait_for("2")
        record = cluster.list("ControllerRevision", name)[stable["revision"]]
    assert stable["resolved"] == f"mlflow://models/{name}/2"
    lineage = json.loads(record["metadata"]["annotations"]["serinus.dev/artifact"])["lineage"]
    assert (lineage["modelVersion"], lineage["gitCommit"]) == ("2", COMMIT)
    assert set(asked.tally.by_label) == {"1", "2"}


def is_stable(version: str) -> Callable[[given.Manifest], bool]:
    """Make a check that a status shows a version as stable."""
    return lambda status: status.get("stable", {}).get("version") == version
