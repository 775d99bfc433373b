"""Which requests a route admits: what callers of a model need, and nothing of the server's administration.

Loading and unloading models, logging, tracing and shared memory are not routed: any caller could change the server for
all others. Envoy matches a regex against the whole path, without the query. A model's name contains no escape and does
not begin with a dot, so that the gateway and the server read every path in the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from serinus.core.model.matches import By


@dataclass(frozen=True)
class Path:
    """One way in which a request's path is compared; a regex (RE2) must match the whole path."""

    by: By
    value: str


_MODEL: Final = "/v2/models/[A-Za-z0-9_][A-Za-z0-9_.-]*(/versions/[0-9]+)?"
_HTTP: Final = (
    Path(By.EXACT, "/v2"),
    Path(By.EXACT, "/v2/health/live"),
    Path(By.EXACT, "/v2/health/ready"),
    Path(By.REGEX, f"{_MODEL}(/(infer|generate|generate_stream|ready|config|stats))?"),
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
_GRPC: Final = (
    *(Path(By.EXACT, f"{_INFERENCE}{method}") for method in _INFERENCE_METHODS),
    *(Path(By.EXACT, f"{_HEALTH}{method}") for method in ("Check", "Watch")),
)
_ALL_GRPC: Final = (Path(By.PREFIX, _INFERENCE), Path(By.PREFIX, _HEALTH))
_FEW: Final = {
    _HTTP: (Path(By.REGEX, "/v2(/health/(live|ready))?"), _HTTP[-1]),
    _GRPC: tuple(
        Path(By.REGEX, regex)
        for regex in (
            r"/inference\.GRPCInferenceService/Model(Infer|StreamInfer|Ready)",
            r"/inference\.GRPCInferenceService/Model(Metadata|Config|Statistics)",
            r"/inference\.GRPCInferenceService/Server(Live|Ready|Metadata)",
            r"/grpc\.health\.v1\.Health/(Check|Watch)",
        )
    ),
}
EVERYTHING_BELOW: Final = ("/v2/models", "/v2/health")
"""What HTTP requests have below a prefix where only whole elements of a path are compared: `/v2` itself aside."""
SERVER: Final = "/v2"


def grpc_paths(*, all_paths: bool) -> tuple[Path, ...]:
    """List the paths of gRPC calls, which are known by them."""
    return _ALL_GRPC if all_paths else _GRPC


def http_paths(*, all_paths: bool) -> tuple[Path, ...]:
    """List the paths of all other requests; none when everything is admitted."""
    return () if all_paths else _HTTP


def path_header_below(prefix: str) -> str:
    """Write a regex of the header `:path`, query included, for what `http_paths` admits below a prefix."""
    ways = "|".join(path.value for path in few(_HTTP))
    return f"{re.escape(prefix)}({ways})({re.escape('?')}.*)?"


def claimed_paths(prefix: str, *, all_paths: bool) -> frozenset[str]:
    """List what the path of every request that a route admits begins with."""
    if all_paths:
        return frozenset({f"{prefix}/"})
    return frozenset({f"{prefix}{SERVER}"} if prefix else {SERVER, _INFERENCE, _HEALTH})


def few(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Give fewer regexes that match the very same paths.

    None has more than 100 instructions: by default Envoy refuses a larger one, and with it all routes of the gateway
    (`re2.max_program_size.error_level`; Istio's own proxies raise it, other gateways do not).
    """
    return _FEW.get(paths, paths)
