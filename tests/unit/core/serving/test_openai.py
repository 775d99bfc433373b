"""The OpenAI protocol: how its pod is rendered, what stands for vLLM, and what its log says of a failed load."""

from __future__ import annotations

import re
from typing import Any

import pytest

from serinus.core.model.errors import InvalidSpec
from serinus.core.model.kinds import Json
from serinus.core.plan.storage import plan_storage
from serinus.core.plan.workload import render_root_service, render_service
from serinus.core.serving.openai import OpenAi
from serinus_local import token_server
from tests.unit.core.plan.given import HASH, OWNER, assert_valid, revision, template

SPEC: Json = {
    "model": {"name": "Qwen3-32B", "version": "3", "storageUri": "pvc://models/qwen/3"},
    "runtime": {"type": "openai", "image": "vllm/vllm-openai:v0.33.0", "env": [{"name": "A", "value": "1"}]},
}
LOG = """\
(APIServer pid=1) INFO 11-30 07:00:01 [api_server.py:120] vLLM API server version 0.33.0
(EngineCore_DP0 pid=98) ERROR 11-30 07:00:09 [core.py:708] EngineCore failed to start.
(EngineCore_DP0 pid=98) ERROR 11-30 07:00:09 [core.py:708] Traceback (most recent call last):
(EngineCore_DP0 pid=98) ERROR 11-30 07:00:09 [core.py:708]   File "/vllm/v1/engine/core.py", line 699, in run
(EngineCore_DP0 pid=98) ERROR 11-30 07:00:09 [core.py:708] ValueError: No available memory for the cache blocks.
(APIServer pid=1)   File "/vllm/v1/engine/utils.py", line 759, in wait_for_engine_startup
(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""


def _with(**runtime: Any) -> Json:
    return {**SPEC, "runtime": {**SPEC["runtime"], **runtime}}


def _container(raw: Json = SPEC) -> Json:
    found: Json = template(raw)["spec"]["containers"][0]
    return found


def _variables(container: Json) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.mark.parametrize(
    "raw",
    [SPEC, _with(gpu={"count": 4}), _with(podTemplate={"command": ["python", "-m", "sglang.launch_server"]})],
    ids=["vLLM", "on GPUs", "another server"],
)
def test_kubernetes_knows_every_field_of_the_template(raw: Json) -> None:
    assert_valid({"apiVersion": "v1", "kind": "Pod", **template(raw)})


def test_vllm_is_started_on_the_models_folder_and_called_as_the_model_is() -> None:
    """It waits for what is in flight as long as the pod does, and takes nothing from the Hub."""
    container = _container()
    assert (container["name"], container["command"]) == ("openai", ["vllm", "serve"])
    assert container["args"] == [
        "/models/Qwen3-32B",
        "--served-model-name=Qwen3-32B",
        "--host=0.0.0.0",
        "--port=8000",
        "--shutdown-timeout=30",
    ]
    assert _variables(container)["HF_HUB_OFFLINE"] == "1"
    assert _variables(container)["A"] == "1"


def test_the_small_server_of_the_tests_takes_the_same_command_line() -> None:
    """What stands for vLLM on the stack would else prove nothing of how it is started."""
    arguments = [*_container(_with(gpu={"count": 2}))["command"][1:], *_container(_with(gpu={"count": 2}))["args"]]
    assert token_server.parsed(arguments).served_model_name == "Qwen3-32B"


@pytest.mark.parametrize(("count", "spread"), [(1, []), (4, ["--tensor-parallel-size=4"])])
def test_a_model_is_spread_over_the_gpus_of_its_pod(count: int, spread: list[str]) -> None:
    """The team's own number comes later, and the last one counts."""
    container = _container(_with(gpu={"count": count}, podTemplate={"args": ["--pipeline-parallel-size=2"]}))
    assert container["resources"]["limits"] == {"nvidia.com/gpu": str(count)}
    assert container["args"][5:] == [*spread, "--pipeline-parallel-size=2"]


def test_another_server_is_started_by_its_own_command_alone() -> None:
    """It finds name and folder of its model in variables, which Kubernetes puts into arguments."""
    wished = {"command": ["python", "-m", "sglang.launch_server"], "args": ["--model-path=$(SERINUS_MODEL_FOLDER)"]}
    container = _container(_with(podTemplate=wished, gpu={"count": 2}))
    assert (container["command"], container["args"]) == (wished["command"], wished["args"])
    told = _variables(container)
    assert (told["SERINUS_MODEL"], told["SERINUS_MODEL_FOLDER"]) == ("Qwen3-32B", "/models/Qwen3-32B")


@pytest.mark.parametrize("server", ["triton", "mlserver"])
def test_no_other_server_is_started_by_a_command(server: str) -> None:
    with pytest.raises(InvalidSpec, match=r"podTemplate.command: \w+ is started by the operator"):
        template({**_with(type=server), "runtime": _with(type=server, podTemplate={"command": ["x"]})["runtime"]})


@pytest.mark.parametrize(
    "argument", ["--port=9000", "--served-model-name=x", "--served_model_name=x", "--config", "--disable-log-stats"]
)
def test_an_argument_that_the_operator_relies_on_is_refused(argument: str) -> None:
    """An underscore is a hyphen to vLLM; a file of options could hold any of them."""
    with pytest.raises(InvalidSpec, match=r"podTemplate.args: .* which is the operator's own"):
        template(_with(podTemplate={"args": [argument]}))


@pytest.mark.parametrize("name", ["SERINUS_MODEL", "VLLM_ALLOW_RUNTIME_LORA_UPDATING"])
def test_a_variable_that_the_operator_relies_on_is_refused(name: str) -> None:
    with pytest.raises(InvalidSpec, match=rf"spec.runtime.env: {name} is the operator's own with vLLM"):
        template(_with(env=[{"name": name, "value": "1"}]))


def test_there_is_one_port_and_the_services_have_no_other() -> None:
    """Its series are on that of its requests, and there is no gRPC."""
    assert _container()["ports"] == [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]
    services = (
        render_service(OWNER, revision(template=template(SPEC))),
        render_root_service(OWNER, HASH, ports=OpenAi().ports),
    )
    for service in services:
        assert [port["port"] for port in service["spec"]["ports"]] == [8000]
        assert_valid(service)


def test_probes_ask_for_what_needs_no_key() -> None:
    container = _container()
    asked = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
    assert asked == {"/health"}


def test_a_config_map_without_its_config_holds_no_model() -> None:
    with pytest.raises(InvalidSpec, match=r"holds no model: add the key config.json"):
        plan_storage("configmap://src", OpenAi(), model="m", config_map="copy", keys=("model.safetensors",))


@pytest.mark.parametrize("kept", [10_000, 330], ids=["whole", "with its beginning cut off"])
def test_the_reason_of_a_failed_load_is_the_engines(kept: int) -> None:
    """What the HTTP part raises after that says only that there is one."""
    failure = OpenAi().load_failure(LOG[-kept:])
    assert failure is not None
    assert failure.reason == "ValueError: No available memory for the cache blocks."
    assert not failure.no_folder


def test_a_load_whose_reason_is_cut_off_is_told_as_one() -> None:
    failure = OpenAi().load_failure(LOG.splitlines()[-1])
    assert failure is not None
    assert failure.reason == ""


def test_a_folder_that_is_not_there_is_told_as_such() -> None:
    said = "Invalid repository ID or local directory specified: '/models/x'."
    failure = OpenAi().load_failure(f'  File "arg_utils.py", line 9, in create_engine_config\nValueError: {said}\n')
    assert failure is not None
    assert failure.no_folder


@pytest.mark.parametrize(
    "log",
    [
        "",
        "INFO 11-30 [launcher.py:46] vllm shutdown\n",
        "RuntimeError: of another program\n",
        '  File "cache.py", line 3, in load_model_from_cache_stats\nValueError: no number\n',
        ", in load_model\nvllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue\n",
    ],
    ids=["nothing", "an ordinary end", "another program", "another function", "an engine that has died under traffic"],
)
def test_what_is_no_load_is_none(log: str) -> None:
    """A model that crashes under traffic is rejected; one that cannot be loaded waits for its deadline."""
    assert OpenAi().load_failure(log) is None


def test_the_reason_is_found_whatever_process_tells_it() -> None:
    """Before each line stands the process that writes it, or nothing."""
    for before in ("", "(APIServer pid=1) ", "(Worker_TP1 pid=7) ERROR 11-30 07:00:09 [worker.py:1] "):
        failure = OpenAi().load_failure(f"EngineCore failed to start.\n{before}OSError: config.json is no JSON\n")
        assert failure is not None
        assert re.fullmatch("OSError: config.json is no JSON", failure.reason)
