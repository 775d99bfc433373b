"""MLServer: how its pod is rendered, what its folder must hold, and what its log says of a failed load."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from serinus.core.model.errors import InvalidSpec
from serinus.core.model.kinds import Json
from serinus.core.plan.storage import Storage, plan_storage
from serinus.core.serving.mlserver import MLServer
from tests.unit.core.plan.given import OWNER, assert_valid, spec, template

LOGS = Path(__file__).parent / "logs"
RAISED = "RuntimeError: weights.npz: expected 12 features, got 11"
SPEC: Json = {
    "model": {"version": "3", "storageUri": "pvc://models/fraud/3"},
    "runtime": {"type": "mlserver", "image": "example.com/mlserver:1.7.1", "env": [{"name": "A", "value": "1"}]},
}


def _container(raw: Json = SPEC) -> Json:
    found: Json = template(raw)["spec"]["containers"][0]
    return found


def _log(name: str) -> str:
    return (LOGS / f"mlserver-{name}.txt").read_text()


def test_kubernetes_knows_every_field_of_the_template() -> None:
    assert_valid({"apiVersion": "v1", "kind": "Pod", **template(SPEC)})


def test_it_is_started_on_the_models_folder_and_listens_where_the_services_send() -> None:
    container = _container()
    assert (container["name"], container["args"]) == ("mlserver", ["/models/fraud"])
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert [variables[f"MLSERVER_{name}_PORT"] for name in ("HTTP", "GRPC", "METRICS")] == ["8000", "8001", "8002"]
    assert variables["A"] == "1"


def test_what_it_writes_goes_to_where_it_may_write() -> None:
    """Its root file system is read-only."""
    written = [each["value"] for each in _container()["env"] if each["name"].endswith("_DIR")]
    assert [path.startswith("/tmp/") for path in written] == [True, True]


def test_readiness_asks_for_the_model() -> None:
    assert _container()["readinessProbe"]["httpGet"]["path"] == f"/v2/models/{OWNER.name}/ready"


@pytest.mark.parametrize("name", ["MLSERVER_HTTP_PORT", "MLSERVER_MODEL_NAME", "mlserver_metrics_dir"])
def test_a_variable_that_the_operator_relies_on_is_refused(name: str) -> None:
    raw = {**SPEC, "runtime": {**SPEC["runtime"], "env": [{"name": name, "value": "1"}]}}
    with pytest.raises(InvalidSpec, match=rf"spec.runtime.env: {name} is the operator's own with MLServer"):
        template(raw)


def test_the_files_of_a_config_map_stay_beside_each_other() -> None:
    keys = ("model.joblib", "model-settings.json")
    storage = plan_storage("configmap://src", MLServer(), model="fraud", config_map="copy", keys=keys)
    paths = {item["key"]: item["path"] for item in storage.volumes[0]["configMap"]["items"]}
    assert paths == {key: key for key in keys}


def test_a_config_map_without_settings_holds_no_model() -> None:
    with pytest.raises(InvalidSpec, match=r"holds no model: add the key model-settings.json"):
        plan_storage("configmap://src", MLServer(), model="fraud", config_map="copy", keys=("model.joblib",))


def test_a_baked_model_is_called_as_its_folder() -> None:
    assert plan_storage("file:///opt/fraud", MLServer(), model="fraud") == Storage(repository="/opt")
    with pytest.raises(InvalidSpec, match="MLServer takes the model's name from its folder"):
        plan_storage("file:///opt/other", MLServer(), model="fraud")


@pytest.mark.parametrize("name", ["load-in-process", "load-in-worker"])
@pytest.mark.parametrize("kept", [10_000, 2048, 1700], ids=["whole", "as the kubelet keeps it", "with less left"])
def test_the_reason_of_a_failed_load_is_what_the_model_raised(name: str, kept: int) -> None:
    failure = MLServer().load_failure(_log(name)[-kept:])
    assert failure is not None
    assert failure.reason.endswith(RAISED)
    assert not failure.no_folder


@pytest.mark.parametrize(
    "frame",
    [
        '  File "/opt/env/lib/python3.11/site-packages/mlserver/registry.py", line 167, in _load_model',
        '  File "/usr/lib/python3.11/site-packages/mlserver_sklearn/sklearn.py", line 34, in load',
        '  File "/models/fraud/model.py", line 4, in load',
    ],
    ids=["MLServer's", "its runtime's", "the model's own"],
)
def test_a_frame_of_a_load_is_enough(frame: str) -> None:
    """The beginning of a long log is cut off."""
    assert MLServer().load_failure(f"{frame}\n    x\nValueError: no weights\n") is not None


def test_a_load_whose_reason_is_lost_is_told_as_one() -> None:
    failure = MLServer().load_failure("ERROR - Some of the models failed to load during startup!\n")
    assert failure is not None
    assert failure.reason == ""


@pytest.mark.parametrize(
    "log",
    [
        "",
        "INFO:     Shutting down\n",
        'Traceback (most recent call last):\n  File "model.py", line 9, in predict\n    1 / 0\nZeroDivisionError: x\n',
        '  File "/usr/lib/python3.11/json/__init__.py", line 293, in load\nValueError: x\n',
        '  File "/opt/env/lib/python3.11/site-packages/joblib/numpy_pickle.py", line 650, in load\nEOFError: x\n',
        '  File "model.py", line 9, in load_model_again\nValueError: x\n',
    ],
    ids=[
        "nothing",
        "an ordinary end",
        "a failed inference",
        "a file of JSON",
        "a file of a library",
        "another function",
    ],
)
def test_what_is_no_load_is_none(log: str) -> None:
    """A model that crashes under traffic is rejected; one that cannot be loaded waits for its deadline."""
    assert MLServer().load_failure(log) is None


def _started(folder: Path, program: str) -> subprocess.Popen[str]:
    """Start what the container starts, with a program of ours in place of `mlserver`."""
    (folder / "mlserver").write_text(f"#!/bin/sh\n{program}\n")
    (folder / "mlserver").chmod(0o755)
    container = _container()
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = [*container["command"], *container["args"]]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("code", [0, 1], ids=["as after a failed load", "after a crash"])
def test_an_end_that_nobody_asked_for_is_a_failure(tmp_path: Path, code: int) -> None:
    """The kubelet keeps the log of a container that has failed, and MLServer ends with 0 when it cannot load."""
    with _started(tmp_path, f'echo "$@"; exit {code}') as process:
        said, _ = process.communicate(timeout=30)
    assert said == "start /models/fraud\n"
    assert process.returncode != 0


@pytest.mark.parametrize("times", [1, 2, 3], ids=["told once", "told twice", "told three times"])
def test_an_end_that_was_asked_for_waits_for_the_requests_in_flight(tmp_path: Path, times: int) -> None:
    """The kubelet tells the shell, the container's first process; the server hears of it and takes its time."""
    answered = tmp_path / "answered"
    program = f"trap 'echo told' TERM; echo ready; until [ -e {answered} ]; do sleep 0.1; done; echo done"
    with _started(tmp_path, program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            for _ in range(times):
                process.terminate()
                assert process.stdout.readline() == "told\n"
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
        finally:
            answered.touch()
        said, _ = process.communicate(timeout=30)
    assert said.endswith("done\n")
    assert process.returncode == 0


def test_its_spec_is_parsed() -> None:
    assert spec(SPEC).runtime.type == "mlserver"
