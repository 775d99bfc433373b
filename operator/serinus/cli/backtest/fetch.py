"""Raw counters of the past: every sample with its true scrape time, in chunks small enough for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.api.policy import Analysis, Metric, Provider
from serinus.cli.errors import Refused
from serinus.core.analysis.promql import quoted
from serinus.core.model.answers import NoAnswer, Series
from serinus.core.serving.triton.runtime import COUNTERS
from serinus.simulation.backtest.recorded import Elsewhere

CHUNK_S: Final = 900.0
"""An answer stays small: an hour of raw samples of twenty histograms is more than some proxies let through."""


@dataclass(frozen=True)
class TimeRange:
    """From when until when, in unix seconds."""

    start: float
    end: float

    def chunks(self) -> Iterator[tuple[float, float]]:
        """Cut it into what one question asks for: (end, length) each."""
        at = self.start
        while at < self.end:
            end = min(at + CHUNK_S, self.end)
            yield end, end - at
            at = end


async def fetch(source: Elsewhere, selector: str, span: TimeRange) -> tuple[Series, ...]:
    """Ask for a selector's raw samples over the whole span; raises Refused when it is not answered."""
    samples: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for end, length in span.chunks():
        answer = await source.ask(f"{selector}[{max(1, round(length * 1000))}ms]", end)
        if isinstance(answer, NoAnswer):
            raise Refused(f"Prometheus does not answer: {answer.message}")
        for one in answer.series:
            # Before Prometheus 3 a range includes both of its ends.
            samples.setdefault(tuple(sorted(one.labels.items())), {}).update(one.samples)
    return tuple(Series(dict(labels), tuple(sorted(found.items()))) for labels, found in samples.items())


def providers(analysis: Analysis) -> tuple[Provider, ...]:
    """List whose counters a policy's presets read."""
    presets = [metric for metric in analysis.metrics if metric.preset is not None]
    return tuple(dict.fromkeys(metric.counted_by for metric in presets))


def istio_selectors(namespace: str, services: str, metrics: Sequence[Metric], *, reporter: str) -> list[str]:
    """Select the counters of the Services that match a pattern, as the gateway saw them or as the pods did."""
    selector = (
        f'{{reporter="{reporter}",destination_service_namespace="{quoted(namespace)}",'
        f'destination_service_name=~"{services}"}}'
    )
    found = [f"istio_requests_total{selector}"]
    if any(metric.is_latency for metric in metrics):
        found.append(f"istio_request_duration_milliseconds_bucket{selector}")
    return found


def triton_selector(namespace: str, name: str, revisions: str) -> str:
    """Select Triton's own counters of a ModelDeployment's revisions (hashes) that match a pattern."""
    pods = f'namespace="{quoted(namespace)}",revision=~"{revisions}",modeldeployment=~"|{quoted(name)}"'
    return f'{{__name__=~"{COUNTERS.requests}",{pods}}}'
