"""vLLM as a `ServingRuntime`, and whatever else speaks the OpenAI protocol in its place.

Read from vLLM 0.33.0, not run: its port listens once the model is loaded, `/health` then answers 200 until its engine
dies, and its metrics are on the same port. `--shutdown-timeout` is there since 0.18. A server that is started otherwise
(`runtime.podTemplate.command`) finds name and folder of its model in variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from serinus.api.policy import Preset
from serinus.api.runtime import RuntimeType
from serinus.core.model.kinds import Json
from serinus.core.model.revision import HTTP_PORT
from serinus.core.serving.interface import Interface
from serinus.core.serving.openai_protocol import HEALTH_PATH, OPENAI
from serinus.core.serving.runtime import LoadFailure, OwnCounters, Port, Start

VLLM_COUNTERS: Final = OwnCounters(
    server="vLLM",
    success="vllm:request_success_total",
    failure=None,
    # Of a request whose caller leaves nothing is counted, and of one that vLLM's own HTTP part fails nothing either:
    # `error` and `abort` are what the engine has ended, in the middle of an answer that began with 200
    # (https://github.com/vllm-project/vllm/issues/55634 and 57082).
    ended="finished_reason",
    broken_off=frozenset({"error", "abort"}),
    duration="vllm:e2e_request_latency_seconds_sum",
    duration_s=1.0,
    pending="vllm:num_requests_waiting",
    labels=frozenset({"model_name", "engine", "finished_reason"}),
    # One observation a request each: of the times between single tokens those of one answer go together.
    histograms={
        Preset.LATENCY: "vllm:e2e_request_latency_seconds_bucket",
        Preset.TIME_TO_FIRST_TOKEN: "vllm:time_to_first_token_seconds_bucket",
        Preset.TIME_PER_OUTPUT_TOKEN: "vllm:request_time_per_output_token_seconds_bucket",
    },
)
MODEL_VARIABLE: Final = "SERINUS_MODEL"
FOLDER_VARIABLE: Final = "SERINUS_MODEL_FOLDER"
# Caches are made below HOME and by the user's name, and the user that pods run as has neither. What is loaded is the
# folder, whole: nothing is asked of the Hugging Face Hub.
_SURROUNDINGS: Final = {"HOME": "/tmp", "USER": "vllm", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}  # noqa: S108
_GAVE_UP: Final = "Engine core initialization failed"
_LOADING: Final = re.compile(
    rf"{_GAVE_UP}|EngineCore failed to start|, in (build_async_engine_client|create_engine_config|load_model)$",
    re.MULTILINE,
)
"""What vLLM says, or a frame of what it does, before its port listens."""
_DIED: Final = "EngineDeadError"
"""What requests are told by an engine that has died: it had loaded its model."""
_RAISED: Final = re.compile(r"^(?:\([^)]*\) )?(?:ERROR [^\]]*\] )?(?P<kind>[A-Z]\w*(?:Error|Exception)): (?P<said>.+)$")
_NO_FOLDER: Final = "Invalid repository ID or local directory specified"


class OpenAi:
    """vLLM with one model, or another server of its protocol."""

    type: Final = RuntimeType.OPENAI
    title: Final = VLLM_COUNTERS.server
    program: Final = "vllm"
    interface: Final[Interface] = OPENAI
    ports: Final = (Port("http", HTTP_PORT),)
    counters: Final[OwnCounters] = VLLM_COUNTERS
    own_flags: Final = frozenset(
        {
            *(
                "--model",
                "--served-model-name",
                "--host",
                "--port",
                "--uds",
                "--root-path",
                "--grpc-port",
                "--headless",
            ),
            *("--ssl-keyfile", "--ssl-certfile", "--ssl-ca-certs", "--config", "--shutdown-timeout"),
            "--disable-log-stats",
        }
    )
    own_variables: Final = frozenset(
        {*_SURROUNDINGS, MODEL_VARIABLE, FOLDER_VARIABLE, "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "VLLM_SERVER_DEV_MODE"}
    )
    """The last two let callers change the server for all others."""
    reads_any_case: Final = False
    settings_file: Final = "config.json"
    fetch_arguments: Final = ("--layout=as-is", f"--need={settings_file}")
    how_it_hangs: Final = "vLLM waits for ever where one of several GPUs is never there"
    live_path: Final = HEALTH_PATH

    def render_start(self, start: Start) -> Json:
        """Render how it is started on the model's folder, spread over the GPUs of its pod.

        `--tensor-parallel-size` of the team's own comes later, and wins.
        """
        folder = f"{start.repository.rstrip('/')}/{start.model}"
        told = {MODEL_VARIABLE: start.model, FOLDER_VARIABLE: folder, **_SURROUNDINGS}
        started: Json = {"env": [{"name": name, "value": value} for name, value in told.items()]}
        if start.command:
            return {**started, "command": list(start.command), "args": []}
        spread = [f"--tensor-parallel-size={start.gpus}"] if start.gpus > 1 else []
        named = [f"--served-model-name={start.model}", "--host=0.0.0.0", f"--port={HTTP_PORT}"]
        drained = f"--shutdown-timeout={start.drain_seconds}"
        return {**started, "command": [self.program, "serve"], "args": [folder, *named, drained, *spread]}

    def ready_path(self, model: str) -> str:
        """Write the path of the engine's health: `/v1/models` may ask for a key."""
        return HEALTH_PATH

    def model_of(self, container: Json) -> str:
        """Read the model's name from the variable: no path of a probe has it."""
        told = {each["name"]: each.get("value", "") for each in container.get("env", ())}
        return str(told.get(MODEL_VARIABLE, ""))

    def file_paths(self, keys: Iterable[str], settings: str) -> dict[str, str]:
        """Leave every file in the model's folder."""
        return {key: key for key in sorted(keys)}

    def lacks(self, paths: Iterable[str]) -> str:
        """Ask for the file by which a folder of Hugging Face's is known; its weights are the server's business."""
        return "" if self.settings_file in paths else f"add the key {self.settings_file}"

    def load_failure(self, log: str) -> LoadFailure | None:
        """Read what was raised last before vLLM gave up; of several processes the engine's says more than the others'.

        Its own processes put their names before each line, and the level before what they log.
        """
        if _DIED in log or not _LOADING.search(log):
            return None
        raised = [found for line in log.splitlines() if (found := _RAISED.match(line))]
        told = [found for found in raised if _GAVE_UP not in found["said"]]
        if not told:
            return LoadFailure()
        reason = f"{told[-1]['kind']}: {told[-1]['said'].strip()}"
        return LoadFailure(reason, no_folder=_NO_FOLDER in reason)
