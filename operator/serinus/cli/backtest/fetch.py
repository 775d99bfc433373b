"""Raw counters of the past, by range queries in chunks small enough for Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from serinus.api.policy import Analysis, Metric, Preset, Provider
from serinus.cli.errors import Refused
from serinus.core.analysis.promql import quoted
from serinus.core.model.answers import MetricsAnswer, NoAnswer, Series

CHUNK_S: Final = 3600.0
MOST_POINTS: Final = 5000
"""A range query may give 11,000 points a series; proxies in front of it often allow less."""


class Asks(Protocol):
    """The queries that a backtest needs."""

    async def ask_range(self, query: str, *, start: float, end: float, step: float) -> MetricsAnswer: ...


@dataclass(frozen=True)
class QueryRange:
    """The time range, and the distance between samples; in unix seconds."""

    start: float
    end: float
    step: float

    def chunks(self) -> Iterator[tuple[float, float]]:
        """Cut it into stretches; the client rounds to whole seconds, so they begin at such."""
        length = max(self.step, math.floor(min(CHUNK_S, MOST_POINTS * self.step) / self.step) * self.step)
        start = float(math.ceil(self.start))
        while start <= self.end:
            yield start, min(start + length - self.step, float(math.floor(self.end)))
            start += length


async def fetch(source: Asks, query: str, span: QueryRange) -> tuple[Series, ...]:
    """Ask for a query's series over the whole span; raises Refused when it is not answered."""
    samples: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    for start, end in span.chunks():
        answer = await source.ask_range(query, start=start, end=end, step=span.step)
        if isinstance(answer, NoAnswer):
            raise Refused(f"Prometheus does not answer: {answer.message}")
        for one in answer.series:
            samples.setdefault(tuple(sorted(one.labels.items())), []).extend(one.samples)
    return tuple(Series(dict(labels), tuple(found)) for labels, found in samples.items())


def providers(analysis: Analysis) -> tuple[Provider, ...]:
    """List whose counters a policy's presets read."""
    presets = [metric for metric in analysis.metrics if metric.preset is not None]
    return tuple(dict.fromkeys(metric.provider or Provider.ISTIO for metric in presets))


def istio_range_queries(namespace: str, services: str, metrics: Sequence[Metric], *, reporter: str) -> list[str]:
    """Ask for the counters of the Services that match a pattern, as the gateway saw them or as the pods did."""
    selector = (
        f'{{reporter="{reporter}",destination_service_namespace="{quoted(namespace)}",'
        f'destination_service_name=~"{services}"}}'
    )
    found = [f"istio_requests_total{selector}"]
    if any(metric.preset is Preset.LATENCY for metric in metrics):
        found.append(f"istio_request_duration_milliseconds_bucket{selector}")
    return found


def triton_query(namespace: str, revisions: str) -> str:
    """Ask for Triton's own counters of the revisions (hashes) that match a pattern."""
    names = "nv_inference_request_(success|failure|duration_us)"
    return f'{{__name__=~"{names}",namespace="{quoted(namespace)}",revision=~"{revisions}"}}'
