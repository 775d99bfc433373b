"""Looks at the metrics of all live rollouts: one question an interval for all that share a source and a preset.

Presets are asked for as raw samples since the last answer, custom queries one by one. Each look wakes its rollout.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from serinus.api.durations import seconds
from serinus.api.policy import Analysis, Metric, Mode, Preset, Provider, QueryType
from serinus.api.status import Verdict
from serinus.core.analysis.bins import Bins
from serinus.core.analysis.exposition import read_istio, read_triton
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.promql import (
    Arm,
    has_baseline,
    istio_queries,
    newest_scrape,
    render_query,
    triton_queries,
)
from serinus.core.analysis.readings import no_answer, observe_preset, read_answer
from serinus.core.analysis.tally import STALE_INTERVALS, Owner, Tallies
from serinus.core.analysis.threshold import DEFAULT_WINDOW
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.assessment import Increment, Look, Measured, Missing, Observation, Reason
from serinus.core.model.identity import Key
from serinus.runtime.ports import Clock, Metrics

log = structlog.get_logger("serinus.sampler")

REPLAYED_SECONDS = 300.0
"""How far back a first look reaches in Sequential mode: beyond the last checkpoint of a process that was killed."""
KEPT_INCREMENTS = 120
WARM_UP_SECONDS = 30.0
"""The first seconds of a stage do not count for latency, never for errors: pods that just got traffic are cold, and a
gateway's series do not tell which pod answered."""
SLACK = 3.0
"""Seconds asked for beyond the last answer: scrapes that were still on their way then."""


@dataclass(frozen=True)
class Watch:
    """A rollout whose metrics are looked at; `since` is when its stage began, or None before the first weight.

    `taken_until` is the scrape up to which its evidence reaches.
    """

    key: Key
    rollout: str
    canary: Arm
    stable: Arm | None
    analysis: Analysis
    since: float | None
    taken_until: float | None = None

    @property
    def interval(self) -> float:
        return seconds(self.analysis.interval or "5s")

    @property
    def arms(self) -> tuple[Arm, ...]:
        return (self.canary,) if self.stable is None else (self.canary, self.stable)


@dataclass(frozen=True)
class _Group:
    """Rollouts that one question serves."""

    source: str
    provider: Provider
    interval: float


def owner_of(arm: Arm, provider: Provider) -> Owner:
    """Name an arm as a provider's series do."""
    return (arm.namespace, arm.service if provider is Provider.ISTIO else arm.revision)


class Sampler:
    """Keeps the newest look of each watched rollout. `targets` maps a source to its selector of scrape targets."""

    def __init__(
        self, metrics: Metrics, clock: Clock, *, wake: Callable[[Key], None], targets: Mapping[str, str] | None = None
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._wake = wake
        self._targets = targets or {}
        self._watches: dict[Key, Watch] = {}
        self._since: dict[Key, float] = {}
        self._looks: dict[Key, Look] = {}
        self._tallies: dict[_Group, Tallies] = {}
        self._answered_at: dict[_Group, float] = {}
        self._bins: dict[tuple[str, str], Bins] = {}
        self._own: dict[tuple[str, str], deque[Increment]] = {}
        self._loops: dict[float, asyncio.Task[None]] = {}
        self.autostart = True

    def watch(self, watch: Watch) -> None:
        """Begin to look at a rollout, or go on with its new stage."""
        before = self._watches.get(watch.key)
        if before is None or before.rollout != watch.rollout:
            self._since[watch.key] = self._clock.now()
            self._looks.pop(watch.key, None)
        self._watches[watch.key] = watch
        if self.autostart and watch.interval not in self._loops:
            self._loops[watch.interval] = asyncio.create_task(self._run(watch.interval))

    def forget(self, key: Key) -> None:
        """Look no more."""
        watch = self._watches.get(key)
        for kept in (self._watches, self._since, self._looks):
            kept.pop(key, None)
        if watch is not None:
            for metric in watch.analysis.metrics:
                self._bins.pop((watch.rollout, metric.name), None)
                self._own.pop((watch.rollout, metric.name), None)

    def look(self, key: Key, rollout: str) -> Look | None:
        """Give the newest look at a rollout."""
        watch = self._watches.get(key)
        return self._looks.get(key) if watch is not None and watch.rollout == rollout else None

    def watched_since(self, key: Key) -> float:
        """Tell when this process began to look."""
        return self._since.get(key, self._clock.now())

    async def close(self) -> None:
        """End all looking."""
        for task in self._loops.values():
            task.cancel()
        await asyncio.gather(*self._loops.values(), return_exceptions=True)
        self._loops.clear()

    async def _run(self, interval: float) -> None:
        while any(watch.interval == interval for watch in self._watches.values()):
            started = self._clock.now()
            try:
                await self.take_looks(interval)
            except Exception:
                # A loop that ends would blind every rollout of this interval; one lost look blinds nobody.
                log.exception("a look failed", interval=interval)
            await self._clock.sleep(max(0.05, interval - (self._clock.now() - started)))
        self._loops.pop(interval, None)

    async def take_looks(self, interval: float) -> None:
        """Ask for everything that the rollouts of one interval need, and wake them."""
        watches = [watch for watch in self._watches.values() if watch.interval == interval]
        groups = self._groups(watches, interval)
        fresh, failures, own = await asyncio.gather(
            self._ask_targets({group.source for group in groups}),
            self._ask_groups(groups),
            self._ask_own(watches),
        )
        for watch in watches:
            current = self._watches.get(watch.key)
            if current is None or current.rollout != watch.rollout:
                continue
            self._looks[watch.key] = self._look(current, fresh, failures, own)
            self._wake(watch.key)

    def _groups(self, watches: Sequence[Watch], interval: float) -> dict[_Group, list[Watch]]:
        groups: dict[_Group, list[Watch]] = {}
        for watch in watches:
            for group in dict.fromkeys(self._group(metric, interval) for metric in watch.analysis.metrics):
                if group is not None:
                    groups.setdefault(group, []).append(watch)
        return groups

    def _group(self, metric: Metric, interval: float) -> _Group | None:
        if metric.preset is None:
            return None
        return _Group(self._source(metric), metric.provider or Provider.ISTIO, interval)

    def _source(self, metric: Metric) -> str:
        return metric.source or self._metrics.names()[0]

    async def _ask_targets(self, sources: set[str]) -> dict[str, float | NoAnswer]:
        """Ask each source when anything was scraped last."""
        names = sorted(sources)
        answers = await asyncio.gather(
            *(self._metrics.ask(name, newest_scrape(self._targets.get(name, "up"))) for name in names)
        )
        return {name: _newest(answer) for name, answer in zip(names, answers, strict=True)}

    async def _ask_groups(self, groups: Mapping[_Group, list[Watch]]) -> dict[_Group, NoAnswer]:
        answers = await asyncio.gather(*(self._ask_group(group, watches) for group, watches in groups.items()))
        return {group: answer for group, answer in zip(groups, answers, strict=True) if answer is not None}

    async def _ask_group(self, group: _Group, watches: Sequence[Watch]) -> NoAnswer | None:
        """Ask since the last answer, and for newcomers the whole window; give the failure, if there is one."""
        keep = max(DEFAULT_WINDOW, *(_longest_window(watch.analysis) for watch in watches))
        tallies = self._tallies.setdefault(group, Tallies(_READERS[group.provider], keep_s=keep))
        tallies.keep_s = max(tallies.keep_s, keep)
        arms = {arm for watch in watches for arm in watch.arms}
        known = {arm for arm in arms if tallies.knows(owner_of(arm, group.provider))}
        latency = any(metric.preset is Preset.LATENCY for watch in watches for metric in watch.analysis.metrics)
        now = self._clock.now()
        gap = now - self._answered_at.get(group, now - keep)
        questions = [
            *((arms - known, query) for query in _queries(group, arms - known, keep + group.interval, latency)),
            *((known, query) for query in _queries(group, known, gap + group.interval + SLACK, latency)),
        ]
        answers = await asyncio.gather(*(self._metrics.ask(group.source, query) for _, query in questions))
        failure = next((answer for answer in answers if isinstance(answer, NoAnswer)), None)
        if failure is not None:
            return failure
        for (asked, _), answer in zip(questions, answers, strict=True):
            if not isinstance(answer, NoAnswer):
                tallies.ingest(answer.series, [owner_of(arm, group.provider) for arm in asked], now)
        self._answered_at[group] = now
        return None

    async def _ask_own(self, watches: Sequence[Watch]) -> dict[tuple[Key, str, str], MetricsAnswer]:
        """Ask the users' own queries, once an arm."""
        questions = [
            (watch.key, metric, arm)
            for watch in watches
            for metric in watch.analysis.metrics
            if metric.query is not None
            for arm in (watch.arms if has_baseline(metric.query) else (watch.canary,))
        ]
        answers = await asyncio.gather(
            *(self._metrics.ask(self._source(metric), _rendered(metric, arm)) for _, metric, arm in questions)
        )
        return {
            (key, metric.name, arm.revision): answer
            for (key, metric, arm), answer in zip(questions, answers, strict=True)
        }

    def _look(
        self,
        watch: Watch,
        fresh: Mapping[str, float | NoAnswer],
        failures: Mapping[_Group, NoAnswer],
        own: Mapping[tuple[Key, str, str], MetricsAnswer],
    ) -> Look:
        now = self._clock.now()
        observations = {}
        for metric in watch.analysis.metrics:
            if metric.query is not None:
                observations[metric.name] = self._observe_own(watch, metric, own, now)
            else:
                observations[metric.name] = self._observe_preset(watch, metric, fresh, failures, now)
        return Look(round(now, 3), observations)

    def _observe_preset(
        self,
        watch: Watch,
        metric: Metric,
        fresh: Mapping[str, float | NoAnswer],
        failures: Mapping[_Group, NoAnswer],
        now: float,
    ) -> Observation:
        group = self._group(metric, watch.interval)
        assert group is not None
        window = _window(metric)
        query = " ; ".join(_queries(group, {watch.canary}, window, metric.preset is Preset.LATENCY))
        if failure := failures.get(group):
            return Observation(no_answer(failure), None, query)
        began = _counts_from(watch, metric)
        if began > now:
            return Observation(WARMING_UP, None, query)
        tallies, since = self._tallies[group], max(now - window, began)
        scraped = fresh.get(group.source)
        if isinstance(scraped, NoAnswer):
            return Observation(no_answer(scraped), None, query)
        targets_fresh = scraped is not None and now - scraped <= STALE_INTERVALS * max(watch.interval, 1.0) + SLACK
        owners = [owner_of(arm, group.provider) for arm in (watch.canary, watch.stable or watch.canary)]
        canary, stable = (
            (tallies.totals(owner, since), tallies.freshness(owner, now, watch.interval)) for owner in owners
        )
        seen = observe_preset(metric, query=query, canary=canary, stable=stable, targets_fresh=targets_fresh)
        if watch.since is None or watch.analysis.mode is Mode.THRESHOLD:
            return seen
        after = max(began, watch.taken_until or 0.0)
        increments, bounds = preset_increments(metric, tallies, owners[0], owners[1], after)
        return replace(seen, increments=increments, bounds=bounds)

    def _observe_own(
        self, watch: Watch, metric: Metric, own: Mapping[tuple[Key, str, str], MetricsAnswer], now: float
    ) -> Observation:
        answers = [
            (arm.revision, answer)
            for arm in watch.arms
            if (answer := own.get((watch.key, metric.name, arm.revision))) is not None
        ]
        query = _rendered(metric, watch.canary)
        if metric.type is QueryType.DISTRIBUTION:
            return self._observe_bins(watch, metric, answers, now, query)
        readings = [read_answer(answer, now) for _, answer in answers]
        seen = Observation(readings[0], readings[1] if len(readings) > 1 else None, query)
        canary, stable = seen.canary, seen.stable
        if watch.since is None or not isinstance(canary, Measured) or not isinstance(stable, Measured):
            return seen
        return replace(seen, increments=self._kept(watch, metric, Increment(now, (canary.value,), (stable.value,))))

    def _observe_bins(
        self, watch: Watch, metric: Metric, answers: Sequence[tuple[str, MetricsAnswer]], now: float, query: str
    ) -> Observation:
        failed = next((answer for _, answer in answers if isinstance(answer, NoAnswer)), None)
        if failed is not None:
            return Observation(no_answer(failed), None, query)
        bins = self._bins.setdefault((watch.rollout, metric.name), Bins())
        increment = bins.take(now, metric.bucket_label or "", answers)
        reading = bins.reading([arm for arm, _ in answers])
        if increment is None or watch.since is None:
            return Observation(reading, None, query)
        return Observation(reading, None, query, self._kept(watch, metric, increment))

    def _kept(self, watch: Watch, metric: Metric, increment: Increment) -> tuple[Increment, ...]:
        """Keep what no pass has taken in yet: looks may come faster than passes."""
        kept = self._own.setdefault((watch.rollout, metric.name), deque(maxlen=KEPT_INCREMENTS))
        kept.append(increment)
        while kept and kept[0].at <= (watch.taken_until or 0.0):
            kept.popleft()
        return tuple(kept)


WARMING_UP = Missing(
    Verdict.UNDECIDED,
    Reason.INSUFFICIENT_DATA,
    f"its pods warm up: the first {WARM_UP_SECONDS:.0f} s of a stage do not count for latency",
)
_READERS = {Provider.ISTIO: read_istio, Provider.TRITON: read_triton}


def _counts_from(watch: Watch, metric: Metric) -> float:
    """Tell from when on a stage counts for a metric."""
    if watch.since is None:
        return 0.0
    warms_up = metric.preset is Preset.LATENCY and watch.analysis.mode is not Mode.THRESHOLD
    return watch.since + (WARM_UP_SECONDS if warms_up else 0.0)


def _queries(group: _Group, arms: set[Arm], range_s: float, latency: bool) -> list[str]:
    if not arms:
        return []
    if group.provider is Provider.TRITON:
        return triton_queries(sorted(arms), seconds=range_s)
    return istio_queries(sorted(arms), seconds=range_s, latency=latency)


def _window(metric: Metric) -> float:
    return seconds(metric.window) if metric.window else DEFAULT_WINDOW


def _longest_window(analysis: Analysis) -> float:
    longest = max(_window(metric) for metric in analysis.metrics)
    return longest if analysis.mode is Mode.THRESHOLD else max(longest, REPLAYED_SECONDS)


def _rendered(metric: Metric, arm: Arm) -> str:
    return render_query(metric.query or "", arm, metric.window or f"{DEFAULT_WINDOW:.0f}s")


def _newest(answer: MetricsAnswer) -> float | NoAnswer:
    if isinstance(answer, NoAnswer):
        return answer
    return max((series.samples[-1][1] for series in answer.series if series.samples), default=0.0)
