"""What the series of Istio and of model servers mean: whose they are, and what they count.

Sources: Istio's standard metrics (https://istio.io/latest/docs/reference/config/metrics/) and Triton's metrics
(https://github.com/triton-inference-server/server/blob/main/docs/user_guide/metrics.md). A gRPC answer is HTTP 200
whatever it says, so its status is read from `grpc_response_status`. Triton's failure counter misses rejected and
malformed requests, and a python backend's TritonError counts as a success: it is the second choice, not the first.
vLLM's are read as its own code has them (`core/serving/openai.py`).

What a counter is called by are the labels that its exporter gives it. What a scrape, a relabelling or a replica of a
Prometheus puts beside them makes no other counter of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, partial
from typing import Final

from serinus.api.policy import Metric, Provider
from serinus.core.serving.openai import VLLM_COUNTERS
from serinus.core.serving.runtime import OwnCounters
from serinus.core.serving.runtimes import COUNTED
from serinus.core.serving.triton.runtime import COUNTERS

# Codes that blame the caller: INVALID_ARGUMENT, NOT_FOUND, ALREADY_EXISTS, PERMISSION_DENIED, FAILED_PRECONDITION,
# OUT_OF_RANGE, UNAUTHENTICATED.
GRPC_CLIENT_ERRORS: Final = frozenset({"3", "5", "6", "7", "9", "11", "16"})
GRPC_CANCELLED: Final = "1"
GRPC_NAMES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
GRPC_NO_ERRORS: Final = frozenset({"", "0"})
# Envoy's response flags (https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage).
# The caller ended it: connection terminated, stream reset, protocol error.
CALLER_FLAGS: Final = frozenset({"DC", "DR", "DPE"})
# The upstream's, after an answer had begun: its code is what it began with.
BROKEN_OFF_FLAGS: Final = frozenset({"UC", "UR", "UPE", "UT"})
# Nobody's doing: no flag, a delay that was asked for, an answer from a cache.
NEUTRAL_FLAGS: Final = frozenset({"", "-", "DI", "RFCF"})
CLUSTER: Final = re.compile(r"outbound\|(\d+)\|[^|]*\|([^.|]+)\.([^.|]+)\.svc\..*")
"""How istiod calls what a gateway sends to: by port, Service and namespace."""
_CLASS: Final = re.compile(r"[1-5]xx")
_CODE: Final = re.compile(r"\d{1,3}")
_WORDS: Final = re.compile(r"[A-Z][A-Z_,]{0,23}")
_BOUND: Final = re.compile(r"\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
# Two series that differ in one of these are two counters; in others they may be one, before and after a relabelling.
_TELLING: Final = frozenset(
    {
        "reporter",
        "request_protocol",
        "response_code",
        "response_code_class",
        "grpc_response_status",
        "response_flags",
        "le",
        "finished_reason",
        "engine",
    }
)
_ISTIOS: Final = ("source_", "destination_", "request_", "response_", "grpc_", "connection_")
_ENVOYS: Final = frozenset({"cluster_name", "envoy_cluster_name"})
"""Envoy counts by upstream: a Service has one for each of its ports."""
_SERVERS: Final = frozenset().union(*(each.labels for each in COUNTED))
Labels = tuple[tuple[str, str], ...]
Owner = tuple[str, str]
"""A revision, as the series of a provider name it."""


class Count(StrEnum):
    """What an increment adds to."""

    SUCCESS = "success"
    SERVER_ERROR = "server_error"
    CLIENT_ERROR = "client_error"
    SLOWER = "slower"
    SECONDS = "seconds"


ERRORS: Final = frozenset({Count.SERVER_ERROR, Count.CLIENT_ERROR})


@dataclass(frozen=True)
class Meaning:
    """Whose series it is, what it counts, in which unit.

    `bound_s` is a bucket's upper bound in seconds, `code` what an answer that is an error is called.
    """

    owner: Owner
    count: Count
    scale: float = 1.0
    bound_s: float = 0.0
    code: str = ""

    @cached_property
    def told(self) -> tuple[Count, float, str]:
        """What an increment adds to, whoever's it is."""
        return self.count, self.bound_s, self.code


Reader = Callable[[Mapping[str, str]], Meaning | None]


def read_istio(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of one of Istio's standard metrics; owner is (namespace, Service)."""
    owner = (labels.get("destination_service_namespace", ""), labels.get("destination_service_name", ""))
    return _read_standard(labels, owner)


def read_sidecar(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of the same metrics as a pod's own sidecar reports them; owner is (namespace, workload)."""
    owner = (labels.get("destination_workload_namespace", ""), labels.get("destination_workload", ""))
    return _read_standard(labels, owner)


def _read_standard(labels: Mapping[str, str], owner: Owner) -> Meaning | None:
    name = labels.get("__name__", "")
    if name == "istio_requests_total":
        outcome = _istio_outcome(labels)
        return Meaning(owner, outcome, code="" if outcome is Count.SUCCESS else _istio_code(labels))
    bound = parse_bound(labels.get("le", "")) if name == "istio_request_duration_milliseconds_bucket" else None
    return None if bound is None else Meaning(owner, Count.SLOWER, bound_s=bound / 1000)


def parse_bound(text: str) -> float | None:
    """Read the bound of a bucket; None where it is no number of zero or more."""
    if text.lower() in {"inf", "+inf", "infinity", "+infinity"}:
        return math.inf
    bound = float(text) if _BOUND.fullmatch(text) else math.inf
    return bound if math.isfinite(bound) else None


def read_triton(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of one of Triton's metrics; owner is (namespace, revision hash)."""
    return _read_own(labels, COUNTERS)


def read_vllm(labels: Mapping[str, str], histogram: str = "") -> Meaning | None:
    """Read the labels of one of vLLM's metrics, with one histogram's buckets; owner is (namespace, revision hash)."""
    if not histogram or labels.get("__name__") != histogram:
        return _read_own(labels, VLLM_COUNTERS)
    bound = parse_bound(labels.get("le", ""))
    owner = labels.get("namespace", ""), labels.get("revision", "")
    return None if bound is None else Meaning(owner, Count.SLOWER, bound_s=bound)


def read_server(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of a metric of any server's own; owner is (namespace, revision hash)."""
    return next((meaning for each in COUNTED if (meaning := _read_own(labels, each)) is not None), None)


def _read_own(labels: Mapping[str, str], counters: OwnCounters) -> Meaning | None:
    owner, name = (labels.get("namespace", ""), labels.get("revision", "")), labels.get("__name__", "")
    if name == counters.success:
        ended = labels.get(counters.ended, "")
        broken = ended in counters.broken_off
        return (
            Meaning(owner, Count.SERVER_ERROR, code=f"{counters.server} {ended}")
            if broken
            else Meaning(owner, Count.SUCCESS)
        )
    if name == counters.failure:
        # Its label `reason` tells a caller's fault apart only since Triton 24.09, and not reliably.
        code = f"{counters.server} failure{_flagged(labels.get('reason', ''))}"
        return Meaning(owner, Count.SERVER_ERROR, code=code)
    return Meaning(owner, Count.SECONDS, scale=counters.duration_s) if name == counters.duration else None


def _istio_outcome(labels: Mapping[str, str]) -> Count:
    grpc, code = labels.get("grpc_response_status", ""), labels.get("response_code", "")
    flags = frozenset(labels.get("response_flags", "").split(","))
    if grpc not in GRPC_NO_ERRORS and grpc != GRPC_CANCELLED:
        return Count.CLIENT_ERROR if grpc in GRPC_CLIENT_ERRORS else Count.SERVER_ERROR
    if code.startswith("5"):
        return Count.SERVER_ERROR
    if grpc == GRPC_CANCELLED:
        # The caller's doing, unless the gateway says that the upstream broke it off.
        return Count.CLIENT_ERROR if flags <= CALLER_FLAGS | NEUTRAL_FLAGS else Count.SERVER_ERROR
    if code == "0":
        # Envoy writes 0 where no answer began: the caller hung up, or the connection to the pod broke.
        return Count.CLIENT_ERROR if _caller_left(flags) else Count.SERVER_ERROR
    if code.startswith("4"):
        return Count.CLIENT_ERROR
    broken_off = not flags.isdisjoint(BROKEN_OFF_FLAGS) and flags.isdisjoint(CALLER_FLAGS)
    return Count.SERVER_ERROR if broken_off else Count.SUCCESS


def _istio_code(labels: Mapping[str, str]) -> str:
    """Call an error by its code and, where Envoy made it or broke off, by its flags: HTTP 503 UF, gRPC INTERNAL."""
    grpc, http = labels.get("grpc_response_status", ""), labels.get("response_code", "")
    flags = labels.get("response_flags", "")
    flagged = "" if flags in NEUTRAL_FLAGS else _flagged(flags)
    if grpc in GRPC_NO_ERRORS or http.startswith("5"):
        return f"HTTP {_number(http)}{flagged}"
    known = grpc.isdecimal() and int(grpc) < len(GRPC_NAMES)
    return f"gRPC {GRPC_NAMES[int(grpc)] if known else _number(grpc)}{flagged}"


def _number(code: str) -> str:
    return code if _CODE.fullmatch(code) else "?"


def _flagged(flags: str) -> str:
    """Give what an exporter writes beside a code, if it is what such words look like."""
    return f" {flags}" if _WORDS.fullmatch(flags) else ""


def _caller_left(flags: frozenset[str]) -> bool:
    return not flags.isdisjoint(CALLER_FLAGS) and flags <= CALLER_FLAGS | NEUTRAL_FLAGS


def own_labels(labels: Mapping[str, str]) -> tuple[Labels, Labels]:
    """Give the labels that its exporter calls a counter by: those that tell it from others, and those that describe it.

    A label that is empty is one that is not there; `1` and `1.0` are one bound.
    """
    name = labels.get("__name__", "")
    telling, describing = [("__name__", name)], []
    for label, value in sorted(labels.items()):
        if not value or label == "__name__":
            continue
        if label in _TELLING or (name.startswith("envoy_") and label in _ENVOYS):
            telling.append((label, _normal(value) if label == "le" else value))
        elif label.startswith(_ISTIOS) if name.startswith("istio_") else label in _SERVERS:
            describing.append((label, value))
    return tuple(telling), tuple(describing)


def _normal(bound: str) -> str:
    number = parse_bound(bound)
    return bound if number is None else repr(number)


def read_envoy(labels: Mapping[str, str]) -> Meaning | None:
    """Read the labels of a gateway's counters of a cluster; owner is (namespace, Service).

    Answers to copies count here as any other. They are read by their class (`2xx`); the same name has a second set of
    series by code (https://www.envoyproxy.io/docs/envoy/latest/configuration/upstream/cluster_manager/cluster_stats).
    """
    owner, name, code = owner_of_cluster(labels), labels.get("__name__", ""), labels.get("response_code_class", "")
    if owner is None:
        return None
    if name == "envoy_cluster_upstream_rq" and _CLASS.fullmatch(code):
        outcome = {"5": Count.SERVER_ERROR, "4": Count.CLIENT_ERROR}.get(code[0], Count.SUCCESS)
        return Meaning(owner, outcome, code="" if outcome is Count.SUCCESS else f"HTTP {code}")
    bound = parse_bound(labels.get("le", "")) if name == "envoy_cluster_upstream_rq_time_bucket" else None
    return None if bound is None else Meaning(owner, Count.SLOWER, bound_s=bound / 1000)


def owner_of_cluster(labels: Mapping[str, str]) -> Owner | None:
    """Tell whose cluster a series of a gateway is about: (namespace, Service); None where istiod has not named it."""
    found = CLUSTER.fullmatch(labels.get("cluster_name", ""))
    return (found[3], found[2]) if found else None


READERS: Final[Mapping[Provider, Reader]] = {
    Provider.ISTIO: read_istio,
    Provider.TRITON: read_triton,
    Provider.ENVOY: read_envoy,
    Provider.SIDECAR: read_sidecar,
    Provider.VLLM: read_vllm,
}


def histogram_of(metric: Metric) -> str:
    """Name the histogram that a preset reads, where a server has several; empty where there is one or none."""
    if metric.counted_by is not Provider.VLLM or metric.preset is None:
        return ""
    return VLLM_COUNTERS.histograms.get(metric.preset, "")


def reader_of(provider: Provider, histogram: str = "") -> Reader:
    """Give what reads a provider's series; `histogram` is the one whose buckets are wanted (`histogram_of`)."""
    return partial(read_vllm, histogram=histogram) if histogram else READERS[provider]
