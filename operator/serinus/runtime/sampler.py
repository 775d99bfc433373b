"""Queries the metrics of all live rollouts, one interval at a time, and wakes each with its look.

Rollouts are queried together if they share an interval and the sources of their presets, so that a source that hangs
delays only the rollouts that use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from serinus.api.judging import Mode
from serinus.api.policy import Metric, Pace
from serinus.core.analysis.assess import stays_within
from serinus.core.analysis.scope import Scope
from serinus.core.analysis.threshold import window_of
from serinus.core.model.assessment import Look, Stage
from serinus.core.model.identity import Key
from serinus.core.model.values import revised
from serinus.runtime.drains import Drains
from serinus.runtime.inflight import Silences
from serinus.runtime.own_queries import OwnQueries
from serinus.runtime.pasts import Pasts
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.streams import StreamCounts
from serinus.runtime.watch import Watch

if TYPE_CHECKING:
    from serinus.core.analysis.comparison import Foretold

log = structlog.get_logger("serinus.sampler")

LOOKS_AT_ONCE: Final = 64
"""Weighed together, and their rollouts woken."""
LOOKS_IN_A_ROW: Final = 2
"""Taken without a break, some five milliseconds: a revert takes a dozen turns of the event loop."""
FEWEST_TOGETHER: Final = 2
CALM_PASSES_A_SECOND: Final = 100.0
"""Passes over live rollouts whose looks change nothing: as long as there are no more of them, each look has one."""
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
        self._foretold: dict[Key, Foretold] = {}
        self._apart: dict[Key, Stage | None] = {}
        """Those that could not be weighed beside others, and in which stage."""
        self._told: dict[Key, tuple[float | None, Look]] = {}
        """The last look that woke a rollout, and in which stage."""
        self._loops: dict[Round, asyncio.Task[None]] = {}
        self.autostart = True

    def watch(self, watch: Watch) -> None:
        """Begin to look at a rollout, or go on with its new stage."""
        before = self._watches.get(watch.key)
        if before is None or before.rollout != watch.rollout:
            self.forget(watch.key)
            self._since[watch.key] = self._clock.now()
        elif before.known is not watch.known and watch.key in self._looks:
            # A look has been judged: what it was added to need not be kept for it. Should a newer one lie there by now,
            # it has woken this rollout itself, and the next pass judges it.
            self._looks[watch.key] = revised(self._looks[watch.key], weighed=None)
            self._foretold.pop(watch.key, None)
            self._tell(watch)
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
        for kept in (self._watches, self._since, self._looks, self._told, self._foretold, self._apart):
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
        await self._publish(watches)

    async def _publish(self, watches: Sequence[Watch]) -> None:
        """Give each rollout its look, some at a time: a revert must not wait for the looks of all.

        Those first that are not well, and then those whose last pass is longest ago.
        """
        turns = CALM_PASSES_A_SECOND * max((watch.interval for watch in watches), default=0.0)
        crowded = len(watches) > turns
        watches = sorted(watches, key=lambda watch: (watch.calm, self._told_at(watch.key)))
        for start in range(0, len(watches), LOOKS_AT_ONCE):
            news = self._news(await self._looked_at(watches[start : start + LOOKS_AT_ONCE]))
            self._foretell(news)
            patient = [watch for watch in news if crowded and self._may_wait(watch)]
            have_a_turn, turns = patient[: int(max(turns, 0.0))], turns - len(patient)
            waiting = {watch.key for watch in patient}
            for watch in (*(each for each in news if each.key not in waiting), *have_a_turn):
                self._tell(watch)
                self._wake(watch.key)
            for watch in patient[len(have_a_turn) :]:
                self._pass_by(watch)
            await asyncio.sleep(0)

    async def _looked_at(self, watches: Sequence[Watch]) -> list[tuple[Watch, Look]]:
        """Take looks; every now and then the passes that were woken have a turn."""
        taken = []
        for number, watch in enumerate(watches, start=1):
            current = self._current(watch)
            if current is not None:
                taken.append((current, self._look(current)))
            if number % LOOKS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return taken

    def _current(self, watch: Watch) -> Watch | None:
        """Give what a rollout is watched for now: a stage may have begun since the round did."""
        current = self._watches.get(watch.key)
        return current if current is not None and current.rollout == watch.rollout else None

    def _news(self, taken: Sequence[tuple[Watch, Look]]) -> list[Watch]:
        """Put looks where passes find them, and tell who is to be woken; until then no other pass has its turn.

        `watch` relies on it: a look that lies there and has woken nobody would count as judged by a pass of before.
        """
        news = []
        for watch, look in taken:
            current = self._current(watch)
            if current is not None:
                self._looks[current.key] = look if current is watch else self._look(current)
                news.append(current)
        return [watch for watch in news if not self._repeats(watch)]

    def _told_at(self, key: Key) -> float:
        told = self._told.get(key)
        return told[1].at if told is not None else 0.0

    def _tell(self, watch: Watch) -> None:
        """Note that a pass takes in the newest look."""
        self._told[watch.key] = watch.since, revised(self._looks[watch.key], weighed=None)

    def _repeats(self, watch: Watch) -> bool:
        """Whether no pass is worth a look's while; it is there for whoever looks next."""
        since, told = self._told.get(watch.key, (None, None))
        return told is not None and watch.calm and since == watch.since and self._looks[watch.key].repeats(told)

    def _pass_by(self, watch: Watch) -> None:
        """Keep what a look brings for the next pass, also where that ends the stage and judges no look of it."""
        look, found = self._looks[watch.key], self._foretold.get(watch.key)
        if found is not None and look.weighed is found:
            passed_by = *found.passed_by[-1:], (look.at, found.after)
            kept = self._foretold[watch.key] = revised(found, passed_by=passed_by)
            self._looks[watch.key] = revised(look, weighed=kept)

    def _foretell(self, watches: Sequence[Watch]) -> None:
        """Weigh what looks bring, all at once, where the evidence that they add to is known."""
        asked = [watch for watch in watches if watch.known is not None and watch.known.gathered is not None]
        asked = [watch for watch in asked if watch.stage is not None and self._apart.get(watch.key) != watch.stage]
        if len(asked) < FEWEST_TOGETHER:
            return
        try:
            weighed = self._weighed(asked)
        except Exception:
            log.exception("looks cannot be weighed together")
            weighed = self._weighed_one_by_one(asked)
        for watch, found in zip(asked, weighed, strict=True):
            self._looks[watch.key] = revised(self._looks[watch.key], weighed=found)
            if found is not None:
                self._foretold[watch.key] = found

    def _weighed(self, watches: Sequence[Watch]) -> list[Foretold | None]:
        # Late: numpy is the price of the sequential tests alone.
        from serinus.core.analysis.comparison import Unjudged, foretell

        return foretell(
            [
                Unjudged(self._looks[key], watch.stage, watch.analysis, watch.known.gathered, self._foretold.get(key))
                for watch in watches
                if (key := watch.key) and watch.stage is not None and watch.known is not None
            ]
        )

    def _weighed_one_by_one(self, watches: Sequence[Watch]) -> list[Foretold | None]:
        """Find out which look the others must be weighed without; in its stage the passes of that rollout weigh it.

        Where each can be weighed and only all together cannot, that is so for all of them.
        """
        weighed: list[Foretold | None] = []
        apart: list[Watch] = []
        for watch in watches:
            try:
                weighed += self._weighed([watch])
            except Exception:
                log.exception("a look cannot be weighed beside others", key=str(watch.key))
                weighed.append(None)
                apart.append(watch)
        self._apart.update({watch.key: watch.stage for watch in apart or watches})
        return weighed

    def _may_wait(self, watch: Watch) -> bool:
        """Whether a look changes nothing: what is written of it is for people, and only every ten seconds."""
        since, told = self._told.get(watch.key, (None, None))
        look = self._looks[watch.key]
        if told is None or not watch.calm or since != watch.since or look.past is not told.past:
            return False
        return self._stays_safe(watch, look)

    def _stays_safe(self, watch: Watch, look: Look) -> bool:
        if watch.known is None or watch.stage is None:
            return False
        if not stays_within(look, watch.known, watch.stage, watch.analysis):
            return False
        if watch.analysis.mode is Mode.THRESHOLD or watch.stage.is_of_a_cohort:
            return True
        if look.weighed is None:
            return False
        from serinus.core.analysis.comparison import Foretold, stays_safe

        return isinstance(look.weighed, Foretold) and stays_safe(look.weighed, Pace.TIMED)

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
