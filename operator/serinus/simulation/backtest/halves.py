"""A/A: one revision against itself, pod by pod. Every revert here is a false one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from serinus.api.policy import Provider
from serinus.core.analysis.exposition import READERS, Meaning, Owner, Reader
from serinus.core.model.answers import Series
from serinus.simulation.backtest.looks import Arms
from serinus.simulation.backtest.record import increments_by_owner
from serinus.simulation.backtest.replay import Trial

CANARY, STABLE = ("pods", "canary"), ("pods", "stable")
ARMS = Arms(CANARY, STABLE)


def pod_of(labels: Mapping[str, str]) -> str:
    """Name the pod of a series."""
    return labels.get("pod") or labels.get("instance", "")


def split_reader(provider: Provider, pod: str) -> Reader:
    """Read series so that one pod is the canary and the others are stable."""
    read = READERS[provider]

    def reader(labels: Mapping[str, str]) -> Meaning | None:
        meaning = read(labels)
        return None if meaning is None else replace(meaning, owner=CANARY if pod_of(labels) == pod else STABLE)

    return reader


@dataclass(frozen=True)
class PodTrial:
    """One pod as if it were a canary, for a time."""

    pod: str
    trial: Trial


def pod_trials(
    provider: Provider, series: Sequence[Series], span: tuple[float, float], length_s: float
) -> Iterator[PodTrial]:
    """Each pod in each stretch of the record in which it and another one had requests."""
    pods = sorted({pod_of(one.labels) for one in series})
    requests = {pod: _requests(provider, series, pod) for pod in pods}
    started = span[0]
    while started + length_s <= span[1] + 1e-6:
        totals = {pod: _within(line, started, started + length_s) for pod, line in requests.items()}
        whole = sum(totals.values())
        for pod, own in totals.items():
            if 0.0 < own < whole:
                weight = min(max(round(100.0 * own / whole), 1), 99)
                yield PodTrial(pod, Trial("the other pods", pod, started, started + length_s, weight))
        started += length_s


def _requests(provider: Provider, series: Sequence[Series], pod: str) -> dict[float, float]:
    owners: list[Owner] = [CANARY]
    lines = increments_by_owner(series, split_reader(provider, pod), owners)[CANARY]
    return {at: totals.requests for at, totals in lines.items()}


def _within(line: Mapping[float, float], after: float, until: float) -> float:
    return sum(requests for at, requests in line.items() if after < at <= until)
