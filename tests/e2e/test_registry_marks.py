"""MLflow learns which versions serve and which were rolled back, and people see where a version comes from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.registries import COMMIT, Registered, marked
from tests.e2e.serving import served, succeeded
from tests.support.servers.mlflow import ADMIN_PASSWORD

pytestmark = [
    pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(420), pytest.mark.usefixtures("operator_process"),
]  # fmt: skip


@pytest.fixture(scope="module")
def password(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the file with the operator's own password, which is an old one at first."""
    file = tmp_path_factory.mktemp("login") / "password"
    file.write_text("rotated-away-1")
    return file


@pytest.fixture(scope="module")
def mlflow(
    operator_process: None, cluster: Cluster, password: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registered]:
    """Give an MLflow that is told how rollouts end."""
    with marked(cluster.stack, tmp_path_factory.mktemp("mlflow"), password) as found:
        cluster.apply(found.secret())
        yield found


def test_versions_are_marked_and_no_rollout_waits_for_that(
    cluster: Cluster, mlflow: Registered, password: Path
) -> None:
    """Not even one whose mark MLflow refuses; it has it once the login is right again, without a restart."""
    name, server = "marked", mlflow.server
    mlflow.register(name, answers=1, alias="champion")
    with served(cluster, name, first=mlflow.version(name, 1)) as asked:
        (first,) = cluster.wait("Event", "", is_told("RegistryNotMarked"), what="the Event", by="").values()
        assert "HTTP 401" in first["message"]
        assert server.aliases(name) == {"champion": "1"}
        password.write_text(ADMIN_PASSWORD)
        until(lambda: server.aliases(name).get("serving") == "1", what="the mark of version 1", limit=90)
        mlflow.register(name, answers=2, alias="champion", fails=given.ON_COMMAND)
        cluster.apply(mlflow.version(name, 2, steps=given.UNTIL_PROMOTED))
        cluster.rollout(name, 2, lambda status: status.get("verdict") == "Safe", what="Safe at half")
        asked.ask_for(given.BREAKING)
        ended = cluster.rollout(name, 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        until(lambda: server.aliases(name).get("rejected") == "2", what="the mark of version 2", limit=30)
        asked.ask_for((1.0, 2.0, 3.0, 4.0))
    assert server.aliases(name) == {"champion": "2", "serving": "1", "rejected": "2"}
    tags = server.tags(name, "2")
    assert tags["serinus.dev/verdict"] == "rejected"
    assert tags["serinus.dev/rollout"] == f"{given.NAMESPACE}/{ended['metadata']['name']}"
    assert tags["serinus.dev/reason"].startswith("LimitExceeded: error-rate")


def test_history_tells_which_run_trained_what_serves(cluster: Cluster, mlflow: Registered, password: Path) -> None:
    """And the difference of two versions names both runs."""
    name = "traced"
    password.write_text(ADMIN_PASSWORD)
    mlflow.register(name, answers=1, alias="champion")
    with served(cluster, name, first=mlflow.version(name, 1)):
        mlflow.register(name, answers=2, alias="champion")
        cluster.apply(mlflow.version(name, 2))
        cluster.rollout(name, 2, succeeded, what="the promotion")
        until(lambda: mlflow.server.aliases(name).get("serving") == "2", what="the mark of version 2", limit=60)
        newest, oldest = json.loads(said(cluster, "history", name, "--json"))
        difference, page = said(cluster, "diff", name, "1", "2"), said(cluster, "history", name)
    assert mlflow.server.tags(name, "1")["serinus.dev/verdict"] == "served"
    runs = [one["lineage"]["mlflowRunId"] for one in (newest, oldest)]
    assert [one["resolved"] for one in (newest, oldest)] == [f"mlflow://models/{name}/{number}" for number in (2, 1)]
    assert {one["lineage"]["gitCommit"] for one in (newest, oldest)} == {COMMIT}
    assert f"-  mlflowRunId: {runs[1]}" in difference
    assert f"+  mlflowRunId: {runs[0]}" in difference
    assert all(word in page for word in (*runs, COMMIT))


def is_told(reason: str) -> Any:
    """Make a check that there is an Event of a reason, and forget all others."""

    def check(events: dict[str, given.Manifest]) -> bool:
        for key in [key for key, event in events.items() if event["reason"] != reason]:
            del events[key]
        return bool(events)

    return check


def said(cluster: Cluster, *words: str) -> str:
    """Run the program as a person would; give what it printed."""
    command = [sys.executable, "-m", "serinus", *words, f"--namespace={given.NAMESPACE}"]
    environment = {**os.environ, "KUBECONFIG": str(cluster.stack.plane.kubeconfig), "COLUMNS": "200"}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
