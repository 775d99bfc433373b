"""gRPC streams: their errors travel inside messages, with status OK, so that no gateway series counts them.

Messages can be counted. If a canary sends more messages than it gets requests, some of its answers are not judged, and
the verdict says so. A stream of a single message looks like a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serinus.core.analysis.promql import Arm, either, more
from serinus.core.model.assessment import Assessment, Look

SECONDS = 60
LEAST = 2.0
"""Messages over the number of requests: less is the rounding of `increase` on two counters."""


def stream_query(arms: Sequence[Arm], matchers: Sequence[str] = (), *, seconds: float = SECONDS) -> str:
    """Ask how many more messages than requests were answered over gRPC of late, by Service."""
    namespaces, services = either(arm.namespace for arm in arms), either(arm.service for arm in arms)
    common = (
        f'reporter="source",destination_service_namespace=~"{namespaces}",destination_service_name=~"{services}"'
        f"{more(matchers)}"
    )
    by = "sum by (destination_service_namespace, destination_service_name)"
    return (
        f"{by} (increase(istio_response_messages_total{{{common}}}[{seconds:.0f}s])) - "
        f'({by} (increase(istio_requests_total{{{common},request_protocol="grpc"}}[{seconds:.0f}s])) or '
        f"0 * {by} (istio_response_messages_total{{{common}}}))"
    )


def mention_streams(look: Look, assessment: Assessment) -> Assessment:
    """Put beside a verdict what it does not cover."""
    told = (assessment.caveat, unjudged(look))
    return replace(assessment, caveat="; ".join(one for one in told if one))


def unjudged(look: Look | None) -> str:
    """Say in words which answers no metric sees; empty where there are none."""
    if look is None or look.stream_messages < LEAST:
        return ""
    return f"about {_rounded(look.stream_messages):,} messages a minute of its gRPC streams are not judged"


def _rounded(number: float) -> int:
    """Round to one figure: a condition that changes with each look would be written at each look."""
    size = int(10 ** (len(f"{number:.0f}") - 1))
    return max(1, round(number / size)) * size
