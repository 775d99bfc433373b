"""Which requests a route admits: what callers of a model need, and nothing of the server's administration.

Loading and unloading models, logging, tracing and shared memory are not routed: any caller could change the server for
all others. Envoy matches a regex against the whole path, without the query. A model's name contains no escape and does
not begin with a dot, so that the gateway and the server read every path in the same way.
"""

from __future__ import annotations

from typing import Final

from serinus.core.model.kinds import Json

_MODEL: Final = "/v2/models/[A-Za-z0-9_][A-Za-z0-9_.-]*(/versions/[0-9]+)?"
_HTTP: Final[tuple[Json, ...]] = (
    {"exact": "/v2"},
    {"exact": "/v2/health/live"},
    {"exact": "/v2/health/ready"},
    {"regex": f"{_MODEL}(/(infer|generate|generate_stream|ready|config|stats))?"},
)
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
_GRPC: Final[tuple[Json, ...]] = (
    *({"exact": f"{_INFERENCE}{method}"} for method in _INFERENCE_METHODS),
    *({"exact": f"{_HEALTH}{method}"} for method in ("Check", "Watch")),
)
_ALL_GRPC: Final[tuple[Json, ...]] = ({"prefix": _INFERENCE}, {"prefix": _HEALTH})


def grpc_matches(*, all_paths: bool) -> list[Json]:
    """Render the matches of gRPC calls, which are known by their paths."""
    return [{"uri": uri} for uri in (_ALL_GRPC if all_paths else _GRPC)]


def http_matches(*, all_paths: bool) -> list[Json]:
    """Render the matches of all other requests; none when everything is admitted."""
    return [] if all_paths else [{"uri": uri} for uri in _HTTP]
