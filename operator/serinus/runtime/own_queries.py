"""Runs users' own queries separately from the presets: a slow one delays only its own rollout."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from serinus.api.judging import QueryType
from serinus.api.policy import Metric
from serinus.api.status import Verdict
from serinus.core.analysis.bins import Bins
from serinus.core.analysis.covered import longest_range
from serinus.core.analysis.places import STALE_INTERVALS
from serinus.core.analysis.promql import Arm, has_baseline, render_query
from serinus.core.analysis.ratio import CountedRatio, RatioWindow, counter_of, unanswered
from serinus.core.analysis.readings import no_answer, read_own_answer
from serinus.core.analysis.source_time import least_window
from serinus.core.analysis.threshold import window_of
from serinus.core.model.answers import MetricsAnswer, NoAnswer, whole
from serinus.core.model.assessment import Increment, Measured, Missing, Observation, Reading, Reason
from serinus.runtime.beside import Beside
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.watch import Watch

KEPT_INCREMENTS = 120
LONGEST_PATIENCE = 1.0
SLACK = 5.0
NOT_ANSWERED = Missing(Verdict.BLIND, Reason.STALE, "the query has not been answered in time")


@dataclass(frozen=True)
class _Answered:
    """The last answers to one metric's query, one an arm; `query` is how it was asked of the canary, `asked` how it was
    of each arm, by field.

    `trials` are those to a Ratio's `of`; `scraped` is the scrape interval, None while it is not known.
    """

    at: float
    query: str
    answers: tuple[tuple[str, MetricsAnswer], ...]
    asked: tuple[Mapping[str, str], ...]
    trials: tuple[MetricsAnswer, ...] = ()
    scraped: float | None = None


class OwnQueries:
    """Keeps the last answers, and what no pass has taken in yet, by rollout and metric."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._beside = Beside()
        self._answered: dict[tuple[str, str], _Answered] = {}
        self._bins: dict[tuple[str, str], Bins] = {}
        self._ratios: dict[tuple[str, str], CountedRatio] = {}
        self._kept: dict[tuple[str, str], deque[Increment]] = {}

    async def ask(self, watches: Sequence[Watch], scraped: Mapping[str, float | None]) -> None:
        """Ask, and wait a moment for the answers; those that take longer are there for a later look.

        `scraped` is the scrape interval by rollout, None where it is not known: {{window}} holds enough scrapes.
        """
        asked = [
            self._beside.begin(watch.rollout, self._ask(watch, scraped.get(watch.rollout)))
            for watch in watches
            if watch.queries and watch.rollout not in self._beside
        ]
        if asked:
            patience = min(LONGEST_PATIENCE, min(watch.interval for watch in watches) / 4)
            await asyncio.wait(asked, timeout=patience)

    def observe(self, watch: Watch, metric: Metric, requests: Mapping[str, float | None]) -> Observation:
        """Say what the last answers to a query say; `requests` are those that it speaks of, by revision."""
        now, answered = self._clock.now(), self._answered.get((watch.rollout, metric.name))
        query = answered.query if answered else _shown(renderings(metric, watch.canary, None))
        if answered is None or now - answered.at > STALE_INTERVALS * watch.interval + SLACK:
            return Observation(NOT_ANSWERED, None, query)
        if metric.type is QueryType.DISTRIBUTION:
            return self._observe_bins(watch, metric, answered, query)
        if metric.is_ratio:
            return self._observe_ratio(watch, metric, answered, requests)
        if (left := _covers_before(watch, query, answered.at)) > 0.0:
            return Observation(_before(left), None, query)
        readings = [
            read_own_answer(answer, answered.at, requests.get(arm), query=asked["query"])
            for (arm, answer), asked in zip(answered.answers, answered.asked, strict=True)
        ]
        seen = Observation(readings[0], readings[1] if len(readings) > 1 else None, query)
        canary, stable = seen.canary, seen.stable
        if watch.since is None or not isinstance(canary, Measured) or not isinstance(stable, Measured):
            return seen
        increment = Increment(answered.at, (canary.value,), (stable.value,))
        return replace(seen, increments=self._not_taken(watch, metric, increment))

    def forget(self, watch: Watch) -> None:
        """Drop what is kept for a rollout."""
        self._beside.forget(watch.rollout)
        for metric in watch.analysis.metrics:
            for kept in (self._answered, self._bins, self._ratios, self._kept):
                kept.pop((watch.rollout, metric.name), None)

    async def settle(self) -> None:
        """Wait until everything that was asked is answered."""
        await self._beside.settle()

    async def close(self) -> None:
        """End all asking."""
        await self._beside.close()

    async def _ask(self, watch: Watch, scraped: float | None) -> None:
        await asyncio.gather(*(self._ask_metric(watch, metric, scraped) for metric in watch.queries))

    async def _ask_metric(self, watch: Watch, metric: Metric, scraped: float | None) -> None:
        arms = watch.arms if has_baseline(metric.query or "") else (watch.canary,)
        source = metric.source or self._metrics.names()[0]
        asked, tenant = [renderings(metric, arm, scraped) for arm in arms], watch.key.namespace
        answers = await asyncio.gather(
            *(self._metrics.ask(source, each[name], own=tenant) for name in asked[0] for each in asked)
        )
        found = [whole(answer) for answer in answers]
        named = tuple((arm.revision, answer) for arm, answer in zip(arms, found, strict=False))
        self._answered[watch.rollout, metric.name] = _Answered(
            self._clock.now(), _shown(asked[0]), named, tuple(asked), tuple(found[len(arms) :]), scraped
        )

    def _observe_bins(self, watch: Watch, metric: Metric, answered: _Answered, query: str) -> Observation:
        failed = next((answer for _, answer in answered.answers if isinstance(answer, NoAnswer)), None)
        if failed is not None:
            return Observation(no_answer(failed), None, query)
        bins = self._bins.setdefault((watch.rollout, metric.name), Bins())
        increment = bins.take(answered.at, metric.bucket_label or "", answered.answers)
        reading = bins.reading([arm for arm, _ in answered.answers])
        if increment is None or watch.since is None:
            return Observation(reading, None, query)
        return Observation(reading, None, query, self._not_taken(watch, metric, increment), bins=bins.names)

    def _observe_ratio(
        self, watch: Watch, metric: Metric, answered: _Answered, requests: Mapping[str, float | None]
    ) -> Observation:
        read = _counters(answered, requests)
        ratio = self._ratios.setdefault((watch.rollout, metric.name), CountedRatio())
        window = _window_of(watch, metric, answered)
        # A look that began at another weight would mix two splits of the requests.
        increment = ratio.take(answered.at, read, whole_after=max(window.whole_after, watch.since or 0.0))
        canary, *stable = (unanswered(both) or ratio.reading(arm, metric, window) for arm, both in read.items())
        if isinstance(canary, Missing) and canary.verdict is Verdict.BLIND:
            return Observation(canary, None, answered.query)
        seen = Observation(canary, stable[0] if stable else None, answered.query)
        if increment is None or watch.since is None:
            return seen
        return replace(seen, increments=self._not_taken(watch, metric, increment))

    def _not_taken(self, watch: Watch, metric: Metric, increment: Increment) -> tuple[Increment, ...]:
        """Keep what no pass has taken in yet: looks may come faster than passes."""
        kept = self._kept.setdefault((watch.rollout, metric.name), deque(maxlen=KEPT_INCREMENTS))
        if not kept or increment.at > kept[-1].at:
            kept.append(increment)
        # Evidence that reaches beyond the newest answer is of a leader whose clock was ahead: it has taken in no such.
        while kept and kept[0].at <= watch.taken_until(metric) <= increment.at:
            kept.popleft()
        return tuple(kept)


def _covers_before(watch: Watch, query: str, at: float) -> float:
    """Tell for how many seconds more a query reaches back to before the canary came back."""
    return 0.0 if watch.back_since is None else watch.back_since + longest_range(query) - at


def _before(seconds_left: float) -> Missing:
    text = f"the query still covers the time before the canary had weight again, for {seconds_left:.0f} s more"
    return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, text)


def _counters(answered: _Answered, requests: Mapping[str, float | None]) -> dict[str, tuple[Reading, Reading]]:
    """Read both counters of each revision, the canary first."""
    return {
        arm: (
            counter_of(read_own_answer(events, answered.at, requests.get(arm), query=asked["query"]), "query"),
            counter_of(read_own_answer(trials, answered.at, requests.get(arm), query=asked["of"]), "of"),
        )
        for (arm, events), trials, asked in zip(answered.answers, answered.trials, answered.asked, strict=True)
    }


def _window_of(watch: Watch, metric: Metric, answered: _Answered) -> RatioWindow:
    """Tell which looks count; what was scraped before the canary came back is shown for one scrape interval more."""
    scraped = answered.scraped or watch.interval
    since = answered.at - least_window(window_of(metric), answered.scraped)
    return RatioWindow(
        since=max(since, watch.since or 0.0),
        until=answered.at,
        step=max(scraped, watch.interval),
        whole_after=0.0 if watch.back_since is None else watch.back_since + scraped,
    )


def renderings(metric: Metric, arm: Arm, scraped: float | None) -> Mapping[str, str]:
    """Write all that is asked for a metric of the user's about one revision, by field: `query`, and a Ratio's `of`."""
    query = {"query": rendered(metric, arm, scraped)}
    return query if metric.of is None else {**query, "of": _filled_in(metric.of, metric, arm, scraped)}


def _shown(queries: Mapping[str, str]) -> str:
    return " ; ".join(queries.values())


def rendered(metric: Metric, arm: Arm, scraped: float | None) -> str:
    """Write a user's query as it is asked of one revision; its window holds enough scrapes."""
    return _filled_in(metric.query or "", metric, arm, scraped)


def _filled_in(template: str, metric: Metric, arm: Arm, scraped: float | None) -> str:
    wished = window_of(metric)
    least = math.ceil(least_window(wished, scraped))
    return render_query(template, arm, f"{least}s" if least > wished else metric.window or f"{wished:.0f}s")
