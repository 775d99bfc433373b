"""A past: revisions that came and went, with their counters at every scrape."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z"""
STEP = 5.0
Labels = tuple[tuple[str, str], ...]


@dataclass
class Past:
    """Counters of a gateway, and of pods; each call of `serve` is one stretch of traffic.

    A scrape comes every `step_s` seconds, up to `late_s` late.
    """

    seed: int = 1
    late_s: float = 0.0
    step_s: float = STEP
    now: float = START
    counters: dict[Labels, float] = field(default_factory=dict)
    samples: dict[Labels, list[tuple[float, float]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random, self.lateness = random.Random(self.seed), random.Random(self.seed)

    def serve(self, seconds: float, rates: Mapping[str, tuple[float, float]], *, pods: int = 2) -> Past:
        """Let each Service have (requests a second, share of errors) for a time."""
        for _ in range(int(seconds / self.step_s)):
            self.now += self.step_s
            for service, (rate, errors) in rates.items():
                for pod in range(pods):
                    self._count(service, pod, rate / pods, errors)
            at = round(self.now + self.lateness.uniform(0.0, self.late_s), 3)
            for labels, value in self.counters.items():
                self.samples.setdefault(labels, []).append((at, value))
        return self

    def _count(self, service: str, pod: int, rate: float, errors: float) -> None:
        requests = max(0, round(self.random.gauss(rate * self.step_s, (rate * self.step_s) ** 0.5)))
        failed = sum(self.random.random() < errors for _ in range(requests))
        for code, count in (("200", requests - failed), ("500", failed)):
            for reporter, where in (("source", "gateway-0"), ("destination", f"{service}-{pod}")):
                labels = _labels(service, code, reporter, where)
                self.counters[labels] = self.counters.get(labels, 0.0) + count

    async def ask(self, query: str, at: float | None = None) -> MetricsAnswer:
        """Answer a range selector and a sum as a Prometheus does; of other things it knows nothing."""
        self.asked.append(query)
        raw, summed = re.fullmatch(r"(.*)\[(\d+)ms\]", query), re.fullmatch(r"sum\((.*)\)", query)
        until = self.now if at is None else at
        if summed is not None:
            return SeriesSet(tuple(self._sum(summed[1], until)))
        if raw is None:
            return SeriesSet(())
        since = until - float(raw[2]) / 1000.0
        found = [
            Series(dict(labels), tuple(one for one in samples if since < one[0] <= until))
            for labels, samples in self.samples.items()
            if _matches(raw[1], dict(labels))
        ]
        return SeriesSet(tuple(one for one in found if one.samples))

    def _sum(self, selector: str, until: float) -> Iterator[Series]:
        shown = [
            [value for at, value in samples if at <= until]
            for labels, samples in self.samples.items()
            if _matches(selector, dict(labels))
        ]
        if any(shown):
            yield Series({}, ((until, sum(values[-1] for values in shown if values)),))

    def exposition(self) -> str:
        """Write everything as an exporter would, with the times of the samples (milliseconds)."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        for labels, samples in self.samples.items():
            shown = ",".join(f'{name}="{value}"' for name, value in labels if name != "__name__")
            yield from (f"istio_requests_total{{{shown}}} {value} {at * 1000:.0f}\n" for at, value in samples)


def _labels(service: str, code: str, reporter: str, where: str) -> Labels:
    return tuple(
        sorted(
            {
                "__name__": "istio_requests_total",
                "reporter": reporter,
                "destination_service_namespace": "default",
                "destination_service_name": service,
                "response_code": code,
                "instance": where,
            }.items()
        )
    )


def _matches(query: str, labels: Mapping[str, str]) -> bool:
    if not query.startswith(labels["__name__"]):
        return False
    wanted: Sequence[tuple[str, str, str]] = re.findall(r'(\w+)(=~?)"([^"]*)"', query)
    patterns = {name: value if sort == "=~" else re.escape(value) for name, sort, value in wanted}
    return all(re.fullmatch(pattern, labels.get(name, "")) for name, pattern in patterns.items())
