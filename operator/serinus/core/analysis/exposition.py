"""What the series of Istio and of Triton mean: whose they are, and what they count.

Sources: Istio's standard metrics (https://istio.io/latest/docs/reference/config/metrics/) and Triton's metrics
(https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md). A gRPC answer is HTTP 200
whatever it says, so its status is read from `grpc_response_status`. Triton's failure counter misses rejected and
malformed requests, and a python backend's TritonError counts as a success: it is the second choice, not the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

# Codes that blame the caller: INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION,
# OUT_OF_RANGE, UNAUTHENTICATED. CANCELLED is the caller's own doing and counts as neither.
GRPC_CLIENT_ERRORS = frozenset({"3", "5", "6", "7", "9", "11", "16"})
GRPC_NO_ERRORS = frozenset({"", "0", "1"})


class Count(StrEnum):
    """What an increment adds to."""

    SUCCESS = "success"
    SERVER_ERROR = "server_error"
    CLIENT_ERROR = "client_error"
    SLOWER = "slower"
    SECONDS = "seconds"


@dataclass(frozen=True)
class Meaning:
    """Whose series it is, what it counts, in which unit; `bound_s` is a bucket's upper bound in seconds."""

    owner: tuple[str, str]
    count: Count
    scale: float = 1.0
    bound_s: float = 0.0


def read_istio(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of one of Istio's standard metrics; owner is (namespace, Service)."""
    owner = (labels.get("destination_service_namespace", ""), labels.get("destination_service_name", ""))
    name = labels.get("__name__", "")
    if name == "istio_requests_total":
        return Meaning(owner, _istio_outcome(labels))
    if name == "istio_request_duration_milliseconds_bucket" and "le" in labels:
        return Meaning(owner, Count.SLOWER, bound_s=float(labels["le"].replace("Inf", "inf")) / 1000)
    return None


def read_triton(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of one of Triton's metrics; owner is (namespace, revision hash)."""
    owner = (labels.get("namespace", ""), labels.get("revision", ""))
    match labels.get("__name__", ""):
        case "nv_inference_request_success":
            return Meaning(owner, Count.SUCCESS)
        case "nv_inference_request_failure":
            # Its label `reason` tells a caller's fault apart only since 24.09, and not reliably.
            return Meaning(owner, Count.SERVER_ERROR)
        case "nv_inference_request_duration_us":
            return Meaning(owner, Count.SECONDS, scale=1e-6)
    return None


def _istio_outcome(labels: Mapping[str, str]) -> Count:
    grpc = labels.get("grpc_response_status", "")
    if grpc not in GRPC_NO_ERRORS:
        return Count.CLIENT_ERROR if grpc in GRPC_CLIENT_ERRORS else Count.SERVER_ERROR
    code = labels.get("response_code", "")
    # Envoy writes 0 for a connection that broke before an answer came.
    if code.startswith("5") or code == "0":
        return Count.SERVER_ERROR
    return Count.CLIENT_ERROR if code.startswith("4") else Count.SUCCESS


def target_of(labels: Mapping[str, str]) -> tuple[str, ...]:
    """Name the scrape target of a series."""
    return (labels.get("job", ""), labels.get("instance", ""), labels.get("pod", ""))
