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
from serinus.core.model.assessment import Look
from serinus.core.model.identity import Key
from serinus.core.model.values import revised
from serinus.runtime.drains import Drains
from serinus.runtime.glances import Glance, Glances
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
"""Taken and weighed together, before the passes that they wake have their turn."""
FEWEST_TOGETHER: Final = 2
CALM_PASSES_A_SECOND: Final = 100.0
"""Passes over live rollouts whose looks change nothing: as long as there are no more of them, each look has one."""
CROWDED_SHARE: Final = 0.4
"""Where there are more, so large a part of these passes is made: what they write is for people, and waits for its turn
in the budget of all writes, which is less still."""
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
        self._glances = Glances(self._presets)
        self._watches: dict[Key, Watch] = {}
        self._since: dict[Key, float] = {}
        self._looks: dict[Key, Look] = {}
        self._foretold: dict[Key, Foretold] = {}
        self._told: dict[Key, tuple[float | None, Look]] = {}
        """The last look that woke a rollout, and in which stage."""
        self._put_off: set[Key] = set()
        """At which no look was taken the last time, as a glance has found nothing: who asks for one has it taken."""
        self._loops: dict[Round, asyncio.Task[None]] = {}
        self.autostart = True

    def watch(self, watch: Watch) -> None:
        """Begin to look at a rollout, or go on with its new stage."""
        before = self._watches.get(watch.key)
        if before is None or before.rollout != watch.rollout:
            self.forget(watch.key)
            self._since[watch.key] = self._clock.now()
        elif before.known is not watch.known and watch.key in self._looks:
            # The look has been judged: what it was added to need not be kept for it.
            self._looks[watch.key] = revised(self._looks[watch.key], weighed=None)
            self._go_on(watch)
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
        for kept in (self._watches, self._since, self._looks, self._told, self._foretold):
            kept.pop(key, None)
        self._put_off.discard(key)
        self._glances.forget(key)

    def look(self, key: Key, rollout: str) -> Look | None:
        """Give the newest look at a rollout; one that was put off is taken now."""
        watch = self._watches.get(key)
        if watch is None or watch.rollout != rollout:
            return None
        if key in self._put_off:
            self._put_off.discard(key)
            if (foretold := self._foretold_of(watch)) is not None:
                self._looks[key] = revised(self._look(watch, timed=False), weighed=foretold)
        return self._looks.get(key)

    def watched_since(self, key: Key) -> float:
        """Tell when this process began to look."""
        return self._since.get(key, self._clock.now())

    def turn_seconds(self, key: Key) -> float:
        """Tell for how long (s) a look that changes nothing may wait for its pass; 0 where each look has one."""
        watch, live = self._watches.get(key), len(self._watches)
        if watch is None or live <= CALM_PASSES_A_SECOND * watch.interval:
            return 0.0
        return live / max(CROWDED_SHARE * CALM_PASSES_A_SECOND, 1.0)

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
        turns = CALM_PASSES_A_SECOND * together[0]
        crowded = len(watches) > turns
        calm = [watch for watch in watches if self._known_of(watch) is not None] if crowded else []
        turns *= CROWDED_SHARE if crowded else 1.0
        put_off = {watch.key for watch in calm}
        looked_at = [watch for watch in watches if watch.key not in put_off] if put_off else watches
        scraped = {watch.rollout: self._presets.scrape_interval(watch) for watch in looked_at}
        await asyncio.gather(self._presets.ask(watches, timed_alone=looked_at), self._own.ask(looked_at, scraped))
        await asyncio.gather(self.silences.ask(watches), self._streams.ask(watches))
        self._pasts.begin(watches)
        found = self._glanced(calm)
        # What was put off is asked for in full before it is looked at; first of all what may have to be taken back.
        await self._presets.ask_histograms(found[Glance.NEWS])
        turns = await self._publish([*found[Glance.NEWS], *looked_at], turns)
        await self._presets.ask_histograms(found[Glance.CELL])
        await self._publish(found[Glance.CELL], turns)

    def _known_of(self, watch: Watch) -> Foretold | None:
        """Give what the tests say of a rollout at which a glance is enough: all was well when it was passed by."""
        if not (self._goes_on_as_told(watch) and self._glances.cover(watch)):
            return None
        return self._foretold_of(watch)

    def _glanced(self, watches: Sequence[Watch]) -> dict[Glance, list[Watch]]:
        """Glance at rollouts; the looks at those of which nothing is found are put off."""
        found: dict[Glance, list[Watch]] = {glance: [] for glance in Glance}
        self._glances.begin(self._clock.now())
        for watch in watches:
            found[self._glance(watch)].append(watch)
        self._put_off.update(watch.key for watch in found[Glance.NOTHING])
        return found

    def _glance(self, asked: Watch) -> Glance:
        watch = self._watches.get(asked.key)
        foretold = self._known_of(watch) if watch is not None and watch.rollout == asked.rollout else None
        look = self._looks.get(asked.key)
        if watch is None or foretold is None or look is None or self.silences.of(watch) is not None:
            return Glance.NEWS
        _, told = self._told[watch.key]
        if self._streams.messages(watch) != look.stream_messages or self._pasts.of(watch) is not told.past:
            return Glance.NEWS
        return self._glances.at(watch, look, foretold)

    async def _publish(self, watches: Sequence[Watch], turns: float) -> float:
        """Give each rollout its look, by what it is watched for now: a stage may have begun meanwhile.

        Some at a time: a revert must not wait for the looks of all. Those first whose last pass is longest ago. `turns`
        are passes that there is time for where nothing asks for one; gives how many of them are left.
        """
        watches = sorted(watches, key=lambda watch: self._told_at(watch.key))
        for start in range(0, len(watches), LOOKS_AT_ONCE):
            known = [(watch, self._watches.get(watch.key)) for watch in watches[start : start + LOOKS_AT_ONCE]]
            current = [now for watch, now in known if now is not None and now.rollout == watch.rollout]
            self._looks.update({watch.key: self._look(watch) for watch in current})
            self._put_off.difference_update(watch.key for watch in current)
            news = [watch for watch in current if not self._repeats(watch)]
            self._foretell(news)
            for watch in news:
                turns -= 1.0
                if turns < 0.0 and self._may_wait(watch):
                    continue
                self._tell(watch)
                self._wake(watch.key)
            await asyncio.sleep(0)
        return turns

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

    def _foretell(self, watches: Sequence[Watch]) -> None:
        """Weigh what looks bring, all at once, where the evidence that they add to is known."""
        asked = [watch for watch in watches if watch.known is not None and watch.known.gathered is not None]
        if len(asked) < FEWEST_TOGETHER:
            return
        # Late: numpy is the price of the sequential tests alone.
        from serinus.core.analysis.foretelling import Unjudged, foretell

        unjudged = [
            Unjudged(self._looks[key], watch.stage, watch.analysis, watch.known.gathered, self._foretold.get(key))
            for watch in asked
            if (key := watch.key) and watch.stage is not None and watch.known is not None
        ]
        for watch, found in zip(asked, foretell(unjudged), strict=True):
            self._looks[watch.key] = revised(self._looks[watch.key], weighed=found)
            if found is not None:
                self._foretold[watch.key] = found

    def _may_wait(self, watch: Watch) -> bool:
        """Whether a look changes nothing: what is written of it is for people, and only every ten seconds."""
        look, told = self._looks[watch.key], self._told.get(watch.key)
        if told is None or look.past is not told[1].past:
            return False
        return self._goes_on_as_told(watch) and self._stays_safe(watch, look)

    def _goes_on_as_told(self, watch: Watch) -> bool:
        """Whether all was well at the last pass, and it is in the same stage."""
        told = self._told.get(watch.key)
        return told is not None and watch.calm and told[0] == watch.since

    def _foretold_of(self, watch: Watch) -> Foretold | None:
        """Give what looks have brought since the last pass, or nothing: what the tests say is what they have said."""
        found = self._foretold.get(watch.key)
        if found is None or watch.known is None:
            return None
        # Late: numpy is the price of the sequential tests alone.
        from serinus.core.analysis.foretelling import answers

        return found if answers(found, watch.known.gathered, watch.stage) else None

    def _go_on(self, watch: Watch) -> None:
        """Keep what the tests have said where a pass has taken in just that."""
        found = self._foretold.pop(watch.key, None)
        if found is None or watch.known is None:
            return
        from serinus.core.analysis.foretelling import going_on

        goes_on = going_on(found, watch.known.gathered, watch.stage)
        if goes_on is not None:
            self._foretold[watch.key] = goes_on

    def _stays_safe(self, watch: Watch, look: Look) -> bool:
        if watch.known is None or watch.stage is None:
            return False
        if not stays_within(look, watch.known, watch.stage, watch.analysis):
            return False
        if watch.analysis.mode is Mode.THRESHOLD or watch.stage.is_of_a_cohort:
            return True
        if look.weighed is None:
            return False
        from serinus.core.analysis.comparison import Foretold
        from serinus.core.analysis.foretelling import stays_safe

        return isinstance(look.weighed, Foretold) and stays_safe(look.weighed, Pace.TIMED)

    def _look(self, watch: Watch, *, timed: bool = True) -> Look:
        observations = {
            metric.name: self._presets.observe(watch, metric, timed=timed)
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
