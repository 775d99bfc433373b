"""KServe's Open Inference Protocol (v2), which Triton and MLServer speak, with the extensions of Triton.

Sources: https://github.com/kserve/open-inference-protocol and Triton's docs/protocol. Loading and unloading models,
logging, tracing and shared memory are left out: any caller could change the server for all others. Envoy matches a
regex against the whole path, without the query. A model's name contains no escape and does not begin with a dot, so
that the gateway and the server read every path in the same way.
"""

from __future__ import annotations

from typing import Final

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By
from serinus.core.serving.interface import Interface, Path

_MODEL: Final = "/v2/models/[A-Za-z0-9_][A-Za-z0-9_.-]*(/versions/[0-9]+)?"
_ABOUT_MODELS: Final = Path(By.REGEX, f"{_MODEL}(/(infer|generate|generate_stream|ready|config|stats))?")
_INFERENCE_METHODS: Final = (
    "ModelInfer",
    "ModelStreamInfer",
    "ServerLive",
    "ServerReady",
    "ModelReady",
    "ServerMetadata",
    "ModelMetadata",
    "ModelConfig",
    "ModelStatistics",
)
_INFERENCE: Final = "/inference.GRPCInferenceService/"
_HEALTH: Final = "/grpc.health.v1.Health/"

OPEN_INFERENCE: Final = Interface(
    root="/v2",
    below=("/v2/models", "/v2/health"),
    http=(
        Path(By.EXACT, "/v2"),
        Path(By.EXACT, "/v2/health/live"),
        Path(By.EXACT, "/v2/health/ready"),
        _ABOUT_MODELS,
    ),
    few_http=(Path(By.REGEX, "/v2(/health/(live|ready))?"), _ABOUT_MODELS),
    grpc=(
        *(Path(By.EXACT, f"{_INFERENCE}{method}") for method in _INFERENCE_METHODS),
        *(Path(By.EXACT, f"{_HEALTH}{method}") for method in ("Check", "Watch")),
    ),
    few_grpc=tuple(
        Path(By.REGEX, regex)
        for regex in (
            r"/inference\.GRPCInferenceService/Model(Infer|StreamInfer|Ready)",
            r"/inference\.GRPCInferenceService/Model(Metadata|Config|Statistics)",
            r"/inference\.GRPCInferenceService/Server(Live|Ready|Metadata)",
            r"/grpc\.health\.v1\.Health/(Check|Watch)",
        )
    ),
    grpc_services=(_INFERENCE, _HEALTH),
    loose_below=(
        "an HTTPRoute rewrites a path by its first elements alone, so a model's /trace/setting is reachable below the "
        "prefix as well"
    ),
)
LIVE_PATH: Final = "/v2/health/live"
_BEFORE, _AFTER = "/v2/models/", "/ready"


def ready_path(model: str) -> str:
    """Write the path that answers 200 once a model can be asked: `/v2/health/ready` does with no model at all."""
    return f"{_BEFORE}{model}{_AFTER}"


def model_of(container: Json) -> str:
    """Read the name of a model from the path of its readiness, which its server's container has."""
    path = str(container["readinessProbe"]["httpGet"]["path"])
    return path.removeprefix(_BEFORE).removesuffix(_AFTER)
