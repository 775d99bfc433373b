"""Queries the metrics of all live rollouts, one interval at a time, and wakes each with its look.

Rollouts are queried together if they share an interval and the sources of their presets, so that a source that hangs
delays only the rollouts that use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

import structlog

from serinus.api.policy import Metric
from serinus.core.analysis.scope import Scope
from serinus.core.analysis.threshold import window_of
from serinus.core.model.assessment import Look
from serinus.core.model.identity import Key
from serinus.runtime.drains import Drains
from serinus.runtime.inflight import Silences
from serinus.runtime.own_queries import OwnQueries
from serinus.runtime.pasts import Pasts
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.streams import StreamCounts
from serinus.runtime.watch import Watch

log = structlog.get_logger("serinus.sampler")

Round = tuple[float, frozenset[str]]
"""What is looked at together: the interval, and the sources of the presets."""


class Sampler:
    """Keeps the newest look of each watched rollout."""

    def __init__(
        self, metrics: Metrics, clock: Clock, *, wake: Callable[[Key], None], scopes: Mapping[str, Scope] | None = None
    ) -> None:
        self.metrics = metrics
        self._clock = clock
        self._wake = wake
        self._presets = Presets(metrics, clock, scopes or {})
        self._own = OwnQueries(metrics, clock)
        self._pasts = Pasts(metrics, clock, self._presets)
        self.silences = Silences(metrics, clock, self._presets)
        self.drains = Drains(metrics, clock, self._presets, self.silences)
        self._streams = StreamCounts(metrics, clock, self._presets)
        self._watches: dict[Key, Watch] = {}
        self._since: dict[Key, float] = {}
        self._looks: dict[Key, Look] = {}
        self._loops: dict[Round, asyncio.Task[None]] = {}
        self.autostart = True

    def watch(self, watch: Watch) -> None:
        """Begin to look at a rollout, or go on with its new stage."""
        before = self._watches.get(watch.key)
        if before is None or before.rollout != watch.rollout:
            self.forget(watch.key)
            self._since[watch.key] = self._clock.now()
        self._watches[watch.key] = watch
        together = self._round_of(watch)
        if self.autostart and together not in self._loops:
            self._loops[together] = asyncio.create_task(self._run(together))

    def forget(self, key: Key) -> None:
        """Look no more."""
        watch = self._watches.get(key)
        if watch is not None:
            self._own.forget(watch)
            self._pasts.forget(watch)
        for kept in (self._watches, self._since, self._looks):
            kept.pop(key, None)

    def look(self, key: Key, rollout: str) -> Look | None:
        """Give the newest look at a rollout."""
        watch = self._watches.get(key)
        return self._looks.get(key) if watch is not None and watch.rollout == rollout else None

    def watched_since(self, key: Key) -> float:
        """Tell when this process began to look."""
        return self._since.get(key, self._clock.now())

    def sources(self) -> Mapping[str, tuple[float, float]]:
        """Tell of each source how far its clock is ahead of ours, and how old its newest sample always is."""
        return self._presets.sources()

    def _requests(self, watch: Watch, metric: Metric) -> Mapping[str, float | None]:
        """Count the requests that a user's query speaks of, by revision."""
        return {arm.revision: self._presets.requests(watch, arm, window_of(metric)) for arm in watch.arms}

    async def close(self) -> None:
        """End all looking."""
        for task in self._loops.values():
            task.cancel()
        await asyncio.gather(*self._loops.values(), return_exceptions=True)
        self._loops.clear()
        await self._own.close()
        await self._pasts.close()

    async def take_looks(self, interval: float) -> None:
        """Look at the rollouts of one interval, whatever their sources."""
        rounds = {self._round_of(watch) for watch in self._watches.values() if watch.interval == interval}
        await asyncio.gather(*(self._take(together) for together in rounds))

    async def settle(self) -> None:
        """Wait for what is asked beside the looks: who plays the past looks faster than anybody answers."""
        await asyncio.gather(self._own.settle(), self._pasts.settle())

    def _round_of(self, watch: Watch) -> Round:
        return watch.interval, self._presets.sources_of(watch)

    async def _run(self, together: Round) -> None:
        interval, _ = together
        while any(self._round_of(watch) == together for watch in self._watches.values()):
            started = self._clock.now()
            try:
                await self._take(together)
            except Exception:
                # A loop that ends would blind every rollout of this round; one lost look blinds nobody.
                log.exception("a look failed", interval=interval)
            await self._clock.sleep(max(0.05, interval - (self._clock.now() - started)))
        self._loops.pop(together, None)

    async def _take(self, together: Round) -> None:
        watches = [watch for watch in self._watches.values() if self._round_of(watch) == together]
        scraped = {watch.rollout: self._presets.scrape_interval(watch) for watch in watches}
        await asyncio.gather(self._presets.ask(watches), self._own.ask(watches, scraped))
        await asyncio.gather(self.silences.ask(watches), self._streams.ask(watches))
        self._pasts.begin(watches)
        self._publish(watches)

    def _publish(self, watches: Sequence[Watch]) -> None:
        """Give each rollout its look, by what it is watched for now: a stage may have begun meanwhile."""
        for watch in watches:
            current = self._watches.get(watch.key)
            if current is None or current.rollout != watch.rollout:
                continue
            self._looks[watch.key] = self._look(current)
            self._wake(watch.key)

    def _look(self, watch: Watch) -> Look:
        observations = {
            metric.name: self._presets.observe(watch, metric)
            if metric.preset is not None
            else self._own.observe(watch, metric, self._requests(watch, metric))
            for metric in watch.analysis.metrics
        }
        return Look(
            at=round(self._clock.now(), 3),
            observations=observations,
            silence=self.silences.of(watch),
            stream_messages=self._streams.messages(watch),
            scrape_interval=self._presets.scrape_interval(watch),
            delay=self._presets.delay(watch),
            not_yet=self._presets.not_yet(watch),
            past=self._pasts.of(watch),
            arrivals=self._presets.arrivals(watch),
        )
