"""Example 13 as its README tells it: from a training run on real data to a rollout that real answers guard."""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from serinus_local import stack as local
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.laptop import Laptop
from tests.e2e.stores import bucket_on
from tests.support.servers.mlflow import mlflow_server

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

NAME, EXAMPLE = "phishing", local.REPOSITORY / "examples" / "13-fraud-onnx"
PAGES = (
    "import json; from river.datasets import Phishing; print(json.dumps([[*x.values()] for x, _ in Phishing()][-250:]))"
)
OWN_ANSWERS = """
import json, sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
(told,) = session.run(["probabilities"], {"X": numpy.array(json.loads(sys.argv[2]), dtype=numpy.float32)})
print(json.dumps(told.ravel().tolist()))
"""
LOGGED = (
    "import json, mlflow, sys; run = mlflow.get_run(sys.argv[1]).data; print(json.dumps([run.params, run.metrics]))"
)


@dataclass(frozen=True)
class Trained:
    """What train.py wrote about a version: its part of the manifest, and what it logged to MLflow."""

    model: dict[str, Any]
    parameters: dict[str, str]
    measured: dict[str, float]


@dataclass(frozen=True)
class Answers:
    """The probabilities of all held-out pages: what came through the gateway, and what the file says on the host."""

    served: list[float]
    own: list[float]


@dataclass(frozen=True)
class Story:
    """What was seen on the way through the README."""

    trained: dict[str, Trained]
    first: Answers
    second: Answers
    history: str
    explained: str
    last: dict[str, Any]
    told: str


@pytest.fixture(scope="module")
def story(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Follow the README from its first command to its last."""
    state = tmp_path_factory.mktemp("laptop")
    with mlflow_server(state / "mlflow") as tracking, bucket_on(cluster.stack, state / "store") as bucket:
        environment = {**tracking.environment, **bucket.secret()["stringData"]}
        return followed(cluster, Laptop(cluster.stack, EXAMPLE, state, environment))


def followed(cluster: Cluster, laptop: Laptop) -> Story:
    """Follow the README, and look at the cluster where it says that something has happened."""
    laptop.follow("Train")
    laptop.follow("Serve")
    first = answers(cluster, laptop, "1")
    with laptop.meanwhile("Ask") as second_terminal:
        laptop.follow("Train again")
        cluster.rollout(NAME, 2, lambda status: status.get("phase") == "Succeeded", what="the promotion")
        second = answers(cluster, laptop, "2")
        history = laptop.follow("Which run answered?")
        explained = laptop.follow("A version that is worse, and looks fine")
    last = cluster.rollout(NAME, 3, lambda status: "phase" in status, what="its record")["status"]
    known = {version: trained(laptop, version) for version in ("1", "2", "3")}
    laptop.follow("Clean up")
    return Story(known, first, second, history, explained, last, second_terminal.read_text())


def trained(laptop: Laptop, version: str) -> Trained:
    """Read what train.py wrote, and what MLflow has of the run."""
    manifest = yaml.safe_load((laptop.folder / "build" / version / "manifest.yaml").read_text())
    model = manifest["spec"]["model"]
    run = shlex.join(["python", "-c", LOGGED, model["lineage"]["mlflowRunId"]])
    return Trained(model, *json.loads(laptop.run(run)))


def answers(cluster: Cluster, laptop: Laptop, version: str) -> Answers:
    """Ask about all pages at once, the gateway and onnxruntime on the host."""
    pages = json.loads(laptop.run(shlex.join(["python", "-c", PAGES])))
    asked = {"name": "X", "datatype": "FP32", "shape": [250, 9], "data": [value for page in pages for value in page]}
    question = urllib.request.Request(
        f"http://{cluster.stack.gateway_address}/v2/models/{NAME}/infer",
        data=json.dumps({"inputs": [asked]}).encode(),
        headers={"Host": given.host(NAME)},
    )
    with urllib.request.urlopen(question, timeout=30) as answer:
        (told,) = json.load(answer)["outputs"]
    file = f"build/{version}/model/1/model.onnx"
    return Answers(
        told["data"], json.loads(laptop.run(shlex.join(["python", "-c", OWN_ANSWERS, file, json.dumps(pages)])))
    )


def test_a_version_answers_as_its_file_does_on_the_host(story: Story) -> None:
    """What was exported is what is served; and the second version is another model."""
    assert story.first.served == pytest.approx(story.first.own, abs=1e-6)
    assert story.second.served == pytest.approx(story.second.own, abs=1e-6)
    assert story.first.served != pytest.approx(story.second.served, abs=1e-3)


@pytest.mark.parametrize("version", ["1", "2"])
def test_history_names_the_run_that_made_a_version(story: Story, version: str) -> None:
    """The run, the commit and the data; and the run has the digest of what the pods loaded."""
    known, told = story.trained[version], story.history.partition(f"version {version} ")[2].partition("\nversion")[0]
    flat = "".join(told.split())
    assert {"mlflowRunId", "gitCommit", "dataVersion", "trainedAt"} == set(known.model["lineage"])
    assert [value for value in known.model["lineage"].values() if "".join(value.split()) not in flat] == []
    assert known.model["digest"] in flat
    assert known.parameters["digest"] == known.model["digest"]


def test_a_version_that_misses_phishing_is_reverted_though_its_training_looked_best(story: Story) -> None:
    """By the share of pages that it flags; its accuracy was measured with labels that had not come in."""
    assert story.trained["3"].measured["accuracy"] > story.trained["2"].measured["accuracy"]
    assert (story.last["phase"], story.last["weight"]) == ("Reverted", 0)
    assert story.last["decisions"][-1]["metric"] == "flagged"
    assert "flagged" in story.explained


def test_no_request_is_lost_on_the_way(story: Story) -> None:
    """Every page of the second terminal was answered by one of the three versions."""
    lines = [re.fullmatch(rf"({NAME}-[0-9a-f]{{10}})  (\d+) requests, .*", line) for line in story.told.splitlines()]
    assert all(lines), story.told
    assert len(lines) == 3
