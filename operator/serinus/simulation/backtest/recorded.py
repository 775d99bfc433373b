"""A Prometheus of the past: the port `Metrics`, answered as of the played time.

Raw counters come from a record that is fetched once; what else the operator asks, and what is older than the record, is
asked of the real Prometheus, as of then.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.runtime.ports import Clock
from serinus.simulation.backtest.record import within

RECORDED: Final = "recorded"
_RAW: Final = re.compile(r"^(\w*)\{(.*)\}\[(\d+)(ms|s)\]$")
_MATCHER: Final = re.compile(r'(\w+)(=~|!~|!=|=)"((?:[^"\\]|\\.)*)"')
_NEWEST: Final = "max(timestamp("
_COUNT: Final = re.compile(r"^topk\(1, count_over_time\(.*\[(\d+)(ms|s)\]\)+$")
_COUNTERS: Final = ("istio_request", "nv_inference_", "vllm:")


class Elsewhere(Protocol):
    """Whoever answers what is not on record."""

    async def ask(self, query: str, at: float | None = None) -> MetricsAnswer: ...


class RecordedMetrics:
    """Answers the operator's questions as of the clock's time; the record begins at `began` (unix seconds)."""

    def __init__(
        self,
        series: Sequence[Series],
        clock: Clock,
        elsewhere: Elsewhere,
        sources: Iterable[str] = (),
        *,
        began: float = -math.inf,
    ) -> None:
        self._series, self._clock, self._elsewhere, self._began = series, clock, elsewhere, began
        self._names = (RECORDED, *sources)
        self._chosen: dict[str, list[Series]] = {}

    def names(self) -> tuple[str, ...]:
        """Name what stands for every source that a policy may name."""
        return self._names

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        """Answer one question."""
        del source
        until = self._clock.now() if at is None else at
        if own:
            return await self._elsewhere.ask(query, until)
        if query.startswith(_NEWEST):
            newest = max(self._scrapes(float("-inf"), until), default=None)
            return SeriesSet(() if newest is None else (Series({}, ((until, newest),)),))
        if counted := _COUNT.match(query):
            return SeriesSet(tuple(self._count(until - _seconds(counted[1], counted[2]), until)))
        raw = _RAW.match(query)
        if raw is None or not any(word in query for word in _COUNTERS):
            return await self._elsewhere.ask(query, until)
        since = until - _seconds(raw[3], raw[4])
        if since < self._began:
            return await self._elsewhere.ask(query, until)
        found = (within(one, since, until) for one in self._matching(raw[1], raw[2]))
        return SeriesSet(tuple(one for one in found if one is not None))

    def _matching(self, name: str, matchers: str) -> list[Series]:
        selector = f"{name}{{{matchers}}}"
        if selector not in self._chosen:
            wanted = [("__name__", "=", name)] if name else []
            wanted += [(label, how, value) for label, how, value in _MATCHER.findall(matchers)]
            self._chosen[selector] = [one for one in self._series if _matches(one.labels, wanted)]
        return self._chosen[selector]

    def _scrapes(self, since: float, until: float) -> Iterator[float]:
        """Give each series' newest scrape in a time."""
        return (one.samples[-1][0] for each in self._series if (one := within(each, since, until)) is not None)

    def _count(self, since: float, until: float) -> Iterator[Series]:
        """Count the scrapes of the series that has most."""
        cut = (within(one, since, until) for one in self._series)
        most = max((len(one.samples) for one in cut if one is not None), default=0)
        if most:
            yield Series({}, ((until, float(most)),))


def _matches(labels: Mapping[str, str], wanted: Sequence[tuple[str, str, str]]) -> bool:
    return all(_fits(labels.get(label, ""), how, value) for label, how, value in wanted)


def _fits(found: str, how: str, value: str) -> bool:
    plain = value.replace('\\"', '"').replace("\\\\", "\\")
    same = re.fullmatch(plain, found) is not None if "~" in how else found == plain
    return same is not how.startswith("!")


def _seconds(number: str, unit: str) -> float:
    return float(number) / (1000.0 if unit == "ms" else 1.0)
