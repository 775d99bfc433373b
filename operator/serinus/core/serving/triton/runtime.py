"""Triton as a `ServingRuntime`.

No port of Triton's listens until the model is loaded, and `/v2/health/ready` is true with no model at all. Its options:
https://github.com/triton-inference-server/server/blob/main/src/command_line_parser.cc; its metrics:
https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from serinus.api.runtime import RuntimeType
from serinus.core.model.kinds import Json
from serinus.core.model.revision import GRPC_PORT, HTTP_PORT, METRICS_PORT
from serinus.core.serving import open_inference
from serinus.core.serving.interface import Interface
from serinus.core.serving.runtime import THREE_PORTS, LoadFailure, OwnCounters, Start
from serinus.core.serving.triton.layout import CONFIG_KEY, VERSION_FOLDER, file_paths
from serinus.core.serving.triton.load_log import gave_up, load_failure

COUNTERS: Final = OwnCounters(
    server="Triton",
    success="nv_inference_request_success",
    failure="nv_inference_request_failure",
    duration="nv_inference_request_duration_us",
    duration_s=1e-6,
    pending="nv_inference_pending_request_count",
    labels=frozenset({"model", "version", "reason", "gpu_uuid"}),
)
_NO_FOLDER: Final = "failed to stat file"


class Triton:
    """NVIDIA Triton, with one model in one version."""

    type: Final = RuntimeType.TRITON
    title: Final = COUNTERS.server
    program: Final = "tritonserver"
    interface: Final[Interface] = open_inference.OPEN_INFERENCE
    ports: Final = THREE_PORTS
    counters: Final[OwnCounters] = COUNTERS
    own_flags: Final = frozenset(
        {
            "--model-repository",
            "--model-store",
            "--model-control-mode",
            "--load-model",
            "--repository-poll-secs",
            "--strict-readiness",
            "--exit-on-error",
            "--exit-timeout-secs",
            *(f"--allow-{service}" for service in ("http", "grpc", "metrics")),
            *(f"--{service}-{what}" for service in ("http", "grpc", "metrics") for what in ("port", "address")),
        }
    )
    own_variables: Final[frozenset[str]] = frozenset()
    reads_any_case: Final = False
    settings_file: Final = CONFIG_KEY
    fetch_arguments: Final[tuple[str, ...]] = ()
    """Its layout is what `serinus-fetch` makes by itself."""
    how_it_hangs: Final = "a python model without model.py does"
    live_path: Final = open_inference.LIVE_PATH

    def render_start(self, start: Start) -> Json:
        """Render how it is started; it loads everything in its repository, which holds one model."""
        return {
            "command": [self.program],
            "args": [
                f"--model-repository={start.repository}",
                "--model-control-mode=none",
                "--strict-readiness=true",
                f"--http-port={HTTP_PORT}",
                f"--grpc-port={GRPC_PORT}",
                f"--metrics-port={METRICS_PORT}",
                f"--exit-timeout-secs={start.drain_seconds}",
                # At the info level a table of options fills the log's end, and the reason of a failed load is lost
                # (measured).
                "--log-info=false",
            ],
        }

    def ready_path(self, model: str) -> str:
        """Write the path of the model's readiness."""
        return open_inference.ready_path(model)

    def model_of(self, container: Json) -> str:
        """Read the model's name from the path of its readiness."""
        return open_inference.model_of(container)

    def file_paths(self, keys: Iterable[str], settings: str) -> dict[str, str]:
        """Put a model's own files into its version folder, and those that config.pbtxt names where Triton looks."""
        return file_paths(keys, settings)

    def lacks(self, paths: Iterable[str]) -> str:
        """Ask for anything in the version folder."""
        held = any(path.startswith(f"{VERSION_FOLDER}/") for path in paths)
        return "" if held else "add one key a file, such as model.py"

    def load_failure(self, log: str) -> LoadFailure | None:
        """Read Triton's reason for a failed load."""
        reason = load_failure(log)
        if reason:
            return LoadFailure(reason, no_folder=_NO_FOLDER in reason)
        return LoadFailure() if gave_up(log) else None
