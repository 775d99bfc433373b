"""A Prometheus that has scraped a played world: the port `Metrics`, which answers the operator's own questions.

A counter's series begins with its first event, as Istio's do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.simulation.manifest.subject import ISTIO_BOUNDS_S
from serinus.simulation.player.gateways import ARMS, PODS, PlayedWorld
from serinus.simulation.player.targets import Counts

SOURCE: Final = "played"
CODES: Final = ("200", "500")
KINDS: Final = ("success", "failure")
_SERVICES: Final = re.compile(r'(?:destination_service_name|revision)=~"([^"]*)"')
_RANGE: Final = re.compile(r"\[(\d+)(ms|s)\]")


def service_of(arm: str, row: int) -> str:
    """Name a revision: by its arm, and by its rollout."""
    return f"{arm}-{row:04d}"


class ScrapedWorld:
    """Everything that was scraped of a world up to now."""

    def __init__(self, world: PlayedWorld) -> None:
        self._world = world
        self._bounds = list(_telling_bounds(world))

    def names(self) -> tuple[str, ...]:
        """Name the one source."""
        return (SOURCE,)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        """Answer a question of the operator's."""
        del source, own
        return SeriesSet(tuple(self._answer(query, self._world.now if at is None else at)))

    def _answer(self, query: str, until: float) -> Iterator[Series]:
        since = until - _range_of(query)
        if query.startswith("max(timestamp("):
            newest = max((one.times[-1] for one in self._world.gateways if one.times), default=None)
            return iter(() if newest is None else (Series({}, ((until, newest),)),))
        if query.startswith("topk(1, count_over_time("):
            most = max(len(one.within(since, until)[0]) for one in self._world.gateways)
            return iter((Series({}, ((until, float(most)),)),) if most else ())
        if query.startswith("istio_requests_total"):
            return self._requests(query, since, until)
        if query.startswith("istio_request_duration_milliseconds_bucket"):
            return self._buckets(query, since, until)
        return self._triton(query, since, until) if "nv_inference_request_" in query else iter(())

    def _requests(self, query: str, since: float, until: float) -> Iterator[Series]:
        for place, gateway in enumerate(self._world.gateways):
            times, counts, _ = gateway.within(since, until)
            if counts is None:
                continue
            for service, arm, row in _asked(query):
                for column, code in enumerate(CODES):
                    labels = {"__name__": "istio_requests_total", "response_code": code}
                    yield from _counter(_istio(labels, service, place), times, counts[:, arm, row, column])

    def _buckets(self, query: str, since: float, until: float) -> Iterator[Series]:
        for place, gateway in enumerate(self._world.gateways):
            times, _, buckets = gateway.within(since, until)
            if buckets is None:
                continue
            for service, arm, row in _asked(query):
                born = int(np.count_nonzero(buckets[:, arm, row, -1] == 0))
                for column, bound in self._bounds if born < len(times) else ():
                    labels = {"__name__": "istio_request_duration_milliseconds_bucket", "le": bound}
                    samples = _samples(times[born:], buckets[born:, arm, row, column])
                    yield Series(_istio({**labels, "response_code": "200"}, service, place), samples)

    def _triton(self, query: str, since: float, until: float) -> Iterator[Series]:
        times, counts, _ = self._world.pods.within(since, until)
        if counts is None:
            return
        for revision, arm, row in _asked(query):
            for place, (owner, pod) in enumerate(PODS):
                for column, kind in enumerate(KINDS if owner == ARMS[arm] else ()):
                    labels = {"namespace": SOURCE, "revision": revision, "pod": pod, "instance": pod}
                    labels["__name__"] = f"nv_inference_request_{kind}"
                    yield from _counter(labels, times, counts[:, place, row, column])


def _telling_bounds(world: PlayedWorld) -> Iterator[tuple[int, str]]:
    """Choose the buckets in which an answer may fall; the others say nothing."""
    below = np.cumsum(world.shares, axis=1)
    for column, bound in enumerate(ISTIO_BOUNDS_S):
        if below[:, column].max() > 1e-9 and (column == 0 or below[:, column - 1].min() < 1.0 - 1e-9):
            yield column, f"{bound * 1000:g}"
    yield len(ISTIO_BOUNDS_S), "+Inf"


def _counter(labels: dict[str, str], times: Sequence[float], values: Counts) -> Iterator[Series]:
    """Give a counter's samples from its first event on; none where there was none."""
    born = int(np.count_nonzero(values == 0))
    if born < len(times):
        yield Series(labels, _samples(times[born:], values[born:]))


def _samples(times: Sequence[float], values: Counts) -> tuple[tuple[float, float], ...]:
    return tuple(zip(times, values.astype(np.float64).tolist(), strict=True))


def _asked(query: str) -> Iterator[tuple[str, int, int]]:
    """Read which revisions are asked for, as (name, arm, rollout)."""
    found = _SERVICES.search(query)
    for service in found[1].split("|") if found else ():
        arm, _, row = service.partition("-")
        yield service, ARMS.index(arm), int(row)


def _range_of(query: str) -> float:
    found = _RANGE.search(query)
    return float(found[1]) / (1000.0 if found[2] == "ms" else 1.0) if found else 0.0


def _istio(labels: dict[str, str], service: str, gateway: int) -> dict[str, str]:
    owner = {"destination_service_namespace": SOURCE, "destination_service_name": service}
    return {**labels, **owner, "reporter": "source", "instance": f"gateway-{gateway}"}
