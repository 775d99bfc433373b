"""`mlflow://` by MLflow's own client, from its real server with users; artifacts through the server, and on S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.contract.fetch.conftest import Fetches
from tests.support.servers.cutting import cut_line
from tests.support.servers.http import HttpServer
from tests.support.servers.mlflow import MlflowServer, Run, mlflow_server
from tests.support.servers.s3 import S3Server, s3_server

pytestmark = pytest.mark.timeout(400)  # the server's first start writes its database table by table

MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": bytes(range(256)) * 20_000}
COMMIT = "c0ffee" * 6 + "c0ff"
ENDED = 1_790_000_000_000


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture(scope="module")
def first(mlflow: MlflowServer) -> Run:
    """Train the model fraud: version 1."""
    run = mlflow.run(mlflow.experiment("fraud"), commit=COMMIT, ended=ENDED)
    mlflow.log(run, {f"model/{path}": content for path, content in MODEL.items()} | {"metrics.txt": b"auc 0.9"})
    mlflow.register("fraud", run, "model")
    return run


def test_a_version_is_fetched_with_its_lineage(mlflow: MlflowServer, first: Run, fetches: Fetches) -> None:
    """The run, its commit and when it ended are told."""
    outcome = fetches.run("mlflow://models/fraud/1", env=mlflow.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL
    assert outcome.message["resolved"] == "mlflow://models/fraud/1"
    assert outcome.message["lineage"] == {
        "modelVersion": "1",
        "mlflowRunId": first.id,
        "gitCommit": COMMIT,
        "trainedAt": "2026-09-21T14:13:20Z",
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        pytest.param("by-its-run", "runs:/{run}/model", id="runs:/"),
        pytest.param("fraud@eu", "model", id="a name with @"),
    ],
)
def test_however_it_is_registered_later_pods_find_it(
    mlflow: MlflowServer, first: Run, fetches: Fetches, name: str, path: str
) -> None:
    """What the first one resolved leads to the same files."""
    mlflow.register(name, first, path.format(run=first.id))
    told = fetches.run(f"mlflow://models/{quote(name)}/1", env=mlflow.environment)
    assert told.code == 0, told.said
    again = fetches.run(told.message["resolved"], name="again", env=mlflow.environment)
    assert again.code == 0, again.said
    assert fetches.files("again") == MODEL


@pytest.mark.parametrize("form", ["{name}@champion", "{name}/@champion"])
def test_an_alias_becomes_the_version_that_it_points_at(
    mlflow: MlflowServer, first: Run, fetches: Fetches, form: str
) -> None:
    """After it was moved it is another one."""
    name = f"moved-{len(form)}"
    mlflow.register(name, first, "model", alias="champion")
    uri = f"mlflow://models/{form.format(name=name)}"
    assert fetches.run(uri, env=mlflow.environment).message["resolved"] == f"mlflow://models/{name}/1"
    mlflow.register(name, first, "model", alias="champion")
    assert fetches.run(uri, env=mlflow.environment).message["resolved"] == f"mlflow://models/{name}/2"


@pytest.mark.parametrize(
    ("path", "files"),
    [
        pytest.param("model", MODEL, id="folder"),
        pytest.param("model/1/model.onnx", {"1/model.onnx": MODEL["1/model.onnx"]}, id="file"),
    ],
)
def test_a_path_of_a_run_is_a_model(
    mlflow: MlflowServer, first: Run, fetches: Fetches, path: str, files: dict[str, bytes]
) -> None:
    """What was logged beside it is not fetched."""
    outcome = fetches.run(f"mlflow://runs/{first.id}/{path}", env=mlflow.environment)
    assert outcome.code == 0, outcome.said
    assert fetches.files() == files
    assert outcome.message["lineage"]["mlflowRunId"] == first.id


def test_a_model_of_mlflow_3_is_found(mlflow: MlflowServer, fetches: Fetches) -> None:
    """It is logged beside the run: its version and the run's path lead to the same files."""
    experiment = mlflow.experiment("logged")
    run = mlflow.run(experiment, commit=COMMIT, ended=ENDED)
    version = mlflow.register("logged", run, f"models:/{mlflow.log_model(run, experiment, 'forest', MODEL)}")
    for number, uri in enumerate((f"mlflow://models/logged/{version}", f"mlflow://runs/{run.id}/forest")):
        outcome = fetches.run(uri, name=f"fraud-{number}", env=mlflow.environment)
        assert outcome.code == 0, outcome.said
        assert fetches.files(f"fraud-{number}") == MODEL
        assert outcome.message["lineage"]["mlflowRunId"] == run.id


def test_artifacts_on_s3_are_read_from_there(mlflow: MlflowServer, store: S3Server, fetches: Fetches) -> None:
    """The server tells where they are, and the store's own variables open it."""
    folder = store.bucket("mlflow")
    run = mlflow.run(mlflow.experiment("on-s3", "s3://mlflow/fraud"), commit=COMMIT, ended=ENDED)
    for path, content in MODEL.items():
        file = folder / run.artifacts.removeprefix("s3://mlflow/") / "model" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    version = mlflow.register("on-s3", run, "model")
    outcome = fetches.run(f"mlflow://models/on-s3/{version}", env={**mlflow.environment, **store.environment})
    assert outcome.code == 0, outcome.said
    assert fetches.files() == MODEL


def test_a_login_that_may_not_see_the_run_gets_the_model_all_the_same(
    mlflow: MlflowServer, store: S3Server, fetches: Fetches
) -> None:
    """It knows which run that was, and no more of it."""
    folder = store.bucket("for-readers")
    run = mlflow.run(mlflow.experiment("for-readers", "s3://for-readers/fraud"), commit=COMMIT, ended=ENDED)
    file = folder / run.artifacts.removeprefix("s3://for-readers/") / "model/model.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"onnx")
    version = mlflow.register("for-readers", run, "model")
    mlflow.user("reader", "only-for-tests-2", model="for-readers", permission="READ")
    login = {"MLFLOW_TRACKING_USERNAME": "reader", "MLFLOW_TRACKING_PASSWORD": "only-for-tests-2"}
    environment = {**mlflow.environment, **login, **store.environment}
    outcome = fetches.run(f"mlflow://models/for-readers/{version}", env=environment)
    assert outcome.code == 0, outcome.said
    assert outcome.message["lineage"] == {"modelVersion": version, "mlflowRunId": run.id}


def test_artifacts_on_another_server_are_not_asked_for(
    web: HttpServer, elsewhere: HttpServer, fetches: Fetches
) -> None:
    """Whoever registers a model could have the login sent anywhere: older servers than ours take any address."""
    answer = web.root / "api/2.0/mlflow/runs/get"
    answer.parent.mkdir(parents=True)
    answer.write_text(json.dumps({"run": {"info": {"run_id": "1", "artifact_uri": f"{elsewhere.url}/fraud"}}}))
    allowed = (f"--allow-host={web.host}", f"--allow-host={elsewhere.host}")
    given = {"MLFLOW_TRACKING_URI": web.url, "MLFLOW_TRACKING_USERNAME": "u", "MLFLOW_TRACKING_PASSWORD": "password"}
    outcome = fetches.run("mlflow://runs/1/model", *allowed, env=given)
    assert outcome.reason == "ArtifactHostNotAllowed", outcome.said
    assert elsewhere.host in outcome.message["message"]
    assert not elsewhere.asked


@pytest.mark.parametrize("password", ["", "wrong-password-1"], ids=["none", "wrong"])
def test_the_server_asks_for_a_user(mlflow: MlflowServer, first: Run, fetches: Fetches, password: str) -> None:
    """The reason names the variables, and no password is shown."""
    given = {**mlflow.environment, "MLFLOW_TRACKING_PASSWORD": password}
    if not password:
        del given["MLFLOW_TRACKING_USERNAME"]
    outcome = fetches.run("mlflow://models/fraud/1", env=given)
    assert outcome.reason == "ArtifactDenied", outcome.said
    assert "MLFLOW_TRACKING_PASSWORD" in outcome.message["message"]
    assert "wrong-password-1" not in outcome.said


@pytest.mark.parametrize(
    "what",
    ["models/nothing/1", "models/fraud/99", "models/fraud@nobody", f"runs/{'0' * 32}/model", "runs/{run}/elsewhere"],
    ids=["model", "version", "alias", "run", "path"],
)
def test_what_is_not_there_is_named(mlflow: MlflowServer, first: Run, fetches: Fetches, what: str) -> None:
    """A model, a version, an alias, a run and a path that nobody made."""
    outcome = fetches.run(f"mlflow://{what.format(run=first.id)}", env=mlflow.environment)
    assert outcome.reason == "ArtifactNotFound", outcome.said


def test_a_cut_artifact_is_fetched_again(mlflow: MlflowServer, first: Run, fetches: Fetches) -> None:
    """MLflow's server gives whole files only, so one that was cut is asked for anew, by the same fetch."""
    with cut_line(mlflow.url) as line:
        environment = {**mlflow.environment, "MLFLOW_TRACKING_URI": line.url}
        line.bytes_until_cut = len(MODEL["1/model.onnx"]) // 2
        with fetches.start("mlflow://models/fraud/1", env=environment) as started:
            assert line.cut.wait(60)
            line.bytes_until_cut = None
            _, said = started.communicate()
    assert started.returncode == 0, said
    assert fetches.files() == MODEL


def test_another_digest_is_refused(mlflow: MlflowServer, first: Run, fetches: Fetches) -> None:
    """Nothing is put into its place when the bytes are not those that were asked for."""
    outcome = fetches.run("mlflow://models/fraud/1", f"--digest=sha256:{'0' * 64}", env=mlflow.environment)
    assert outcome.reason == "ArtifactDigestMismatch"
    assert fetches.left() == []


def test_no_answer_is_told(fetches: Fetches) -> None:
    """A server that is not there is a reason of its own."""
    outcome = fetches.run("mlflow://models/fraud/1", env={"MLFLOW_TRACKING_URI": "http://127.0.0.1:1"})
    assert outcome.reason == "ArtifactUnreachable", outcome.said


def test_a_uri_without_a_server_says_what_to_set(fetches: Fetches) -> None:
    """The variable is MLflow's own."""
    outcome = fetches.run("mlflow://models/fraud/1", env={"MLFLOW_TRACKING_URI": ""})
    assert outcome.reason == "ArtifactUriInvalid"
    assert "MLFLOW_TRACKING_URI" in outcome.message["message"]
