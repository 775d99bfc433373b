"""A/A: one revision against itself, pod by pod. Every revert here is a false one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from serinus.api.policy import Provider
from serinus.core.model.answers import Series
from serinus.simulation.backtest.record import Record, activity_of
from serinus.simulation.backtest.trials import Trial

CANARY, STABLE = "pods-canary", "pods-stable"


def pod_of(labels: Mapping[str, str]) -> str:
    """Name the pod of a series."""
    return labels.get("pod") or labels.get("instance", "")


def split_by(record: Record, pod: str) -> Record:
    """Rewrite series so that one pod is the canary and the others are stable, as the operator asks for them."""
    return Record(record.provider, tuple(_renamed(one, record.provider, pod) for one in record.series))


def _renamed(one: Series, provider: Provider, pod: str) -> Series:
    owner = CANARY if pod_of(one.labels) == pod else STABLE
    if provider is Provider.TRITON:
        return Series({**one.labels, "revision": owner}, one.samples)
    return Series({**one.labels, "destination_service_name": owner, "reporter": "source"}, one.samples)


@dataclass(frozen=True)
class PodTrial:
    """One pod as if it were a canary, for a time."""

    pod: str
    trial: Trial


def pod_trials(record: Record, span: tuple[float, float], length_s: float) -> Iterator[PodTrial]:
    """Each pod in each stretch of the record in which it and another one had requests."""
    pods = sorted({pod_of(one.labels) for one in record.series})
    requests = {pod: _requests(record, pod) for pod in pods}
    started = span[0]
    while started + length_s <= span[1] + 1e-6:
        totals = {pod: _within(line, started, started + length_s) for pod, line in requests.items()}
        whole = sum(totals.values())
        for pod, own in totals.items():
            if 0.0 < own < whole:
                weight = min(max(round(100.0 * own / whole), 1), 99)
                yield PodTrial(pod, Trial(STABLE, CANARY, started, started + length_s, weight))
        started += length_s


def _requests(record: Record, pod: str) -> dict[float, float]:
    lines = activity_of(split_by(record, pod), "")
    return {at: totals.requests for at, totals in lines.get(CANARY, {}).items()}


def _within(line: Mapping[float, float], after: float, until: float) -> float:
    return sum(requests for at, requests in line.items() if after < at <= until)
