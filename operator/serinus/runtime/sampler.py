"""Queries the metrics of all live rollouts, one interval at a time, and wakes each with its look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from serinus.api.policy import Metric
from serinus.core.analysis.scope import Scope
from serinus.core.analysis.threshold import window_of
from serinus.core.model.assessment import Look
from serinus.core.model.identity import Key
from serinus.core.model.values import revised
from serinus.runtime.drains import Drains
from serinus.runtime.glances import Glance, Glances
from serinus.runtime.inflight import Silences
from serinus.runtime.newcomers import Line, Newcomers
from serinus.runtime.own_queries import OwnQueries
from serinus.runtime.pasts import Pasts
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.rounds import Round, Rounds
from serinus.runtime.streams import StreamCounts
from serinus.runtime.told import Told
from serinus.runtime.watch import Watch, exceeds_a_limit, without
from serinus.runtime.weighing import PutOff, Weighing

if TYPE_CHECKING:
    from serinus.core.analysis.comparison import Foretold

LOOKS_AT_ONCE: Final = 64
"""Weighed together, and their rollouts woken."""
LOOKS_IN_A_ROW: Final = 2
"""Taken without a break, some five milliseconds: a revert takes a dozen turns of the event loop."""
CALM_PASSES_A_SECOND: Final = 50.0
"""Passes over live rollouts whose looks change nothing: as long as there are no more of them, each look has one."""
CROWDED_SHARE: Final = 0.4
"""Where there are more, so large a part of these passes is made: what they write is for people, and waits for its turn
in the budget of all writes, which is less still."""
HISTOGRAMS_WITHIN: Final = 0.25
"""Seconds that a pass waits for what was put off: it may be one that takes weight away."""


class Sampler:
    """Keeps the newest look of each watched rollout."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        *,
        wake: Callable[[Key], None],
        wake_first: Callable[[Key], None] | None = None,
        scopes: Mapping[str, Scope] | None = None,
    ) -> None:
        self.metrics = metrics
        self._clock = clock
        self._wake = wake
        self._wake_first = wake_first or wake
        self._presets = Presets(metrics, clock, scopes or {})
        self._own = OwnQueries(metrics, clock)
        self._pasts = Pasts(metrics, clock, self._presets)
        self.silences = Silences(metrics, clock, self._presets)
        self.drains = Drains(metrics, clock, self._presets, self.silences)
        self._streams = StreamCounts(metrics, clock, self._presets)
        self._glances = Glances(self._presets)
        self._newcomers = Newcomers(self._presets, clock)
        self._watches: dict[Key, Watch] = {}
        self._since: dict[Key, float] = {}
        self._looks: dict[Key, Look] = {}
        self._weighing = Weighing()
        self._told = Told()
        self._put_off: dict[Key, tuple[PutOff, ...]] = {}
        """The newest two looks of a stage that were not taken, as a glance has found nothing."""
        self._waits: dict[Round, float] = {}
        """For how long (s) a look of a round may wait for its pass, where not each has one."""
        self._rounds = Rounds(clock, take=self._take, take_new=self._take_new, goes_on=self._goes_on)
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
            self._weighing.go_on(watch)
            self._told.tell(watch, self._looks[watch.key])
            if before.since != watch.since:
                self._put_off.pop(watch.key, None)
        self._watches[watch.key] = watch
        if self.autostart:
            self._rounds.begin(self._round_of(watch), somebody_is_new=watch.key not in self._looks)

    def forget(self, key: Key) -> None:
        """Look no more."""
        watch = self._watches.get(key)
        if watch is not None:
            self._forget_answers(watch)
        for kept in (self._watches, self._since, self._looks, self._put_off):
            kept.pop(key, None)
        self._told.forget(key)
        self._weighing.forget(key)
        self._glances.forget(key)

    def _forget_answers(self, watch: Watch) -> None:
        """Drop what was asked for a rollout alone."""
        for kept in (self._own, self._pasts, self.silences, self._streams, self._newcomers):
            kept.forget(watch)

    def look(self, key: Key, rollout: str) -> Look | None:
        """Give the newest look at a rollout; one that was put off is taken now, and is of when it was put off.

        What it says of histograms is of the last one that was not, and so is what the tests say.
        """
        watch = self._watches.get(key)
        if watch is None or watch.rollout != rollout:
            return None
        look, put_off = self._looks.get(key), self._put_off.get(key)
        if look is None or put_off is None or put_off[-1].at <= look.at:
            return look
        known = self._look(watch, put_off[-1].at, timed=False)
        found = revised(known, at=put_off[-1].at, weighed=self._weighing.of(watch))
        self._looks[key] = found
        return found

    async def catch_up(self, key: Key) -> bool:
        """Take a look with all that was put off, before its stage ends: what is not weighed by then never is.

        Tells whether there was anything. A source that does not answer at once is not waited for.
        """
        watch, put_off, look = self._watches.get(key), self._put_off.get(key), self._looks.get(key)
        if watch is None or put_off is None or look is None:
            return False
        if look.at <= put_off[-1].at:
            look = revised(self._look(watch, put_off[-1].at), at=put_off[-1].at)
            answered = await self._asked_at_once(watch)
            look = self._look(watch, self._clock.now()) if answered else look
        elif look.weighed is None:
            # One was taken in full since then, and is judged.
            return False
        if self._watches.get(key) is not watch:
            return False
        self._looks[key] = self._weighing.in_full(watch, look, put_off, round(self._clock.now(), 3))
        return True

    async def _asked_at_once(self, watch: Watch) -> bool:
        """Ask for a rollout's histograms; tells whether all of them are here in time."""
        try:
            async with asyncio.timeout(HISTOGRAMS_WITHIN):
                await self._presets.ask_histograms([watch])
        except TimeoutError:
            return False
        return not any(self._presets.failure(watch, group) for group in self._presets.groups_of(watch))

    def watched_since(self, key: Key) -> float:
        """Tell when this process began to look, or when the line last moved in which a rollout waits for that."""
        watch, since = self._watches.get(key), self._since.get(key, self._clock.now())
        return since if watch is None else max(since, self._newcomers.waits_since(watch))

    def turn_seconds(self, key: Key) -> float:
        """Tell for how long (s) a look that changes nothing may wait for its pass; 0 where each look has one."""
        watch = self._watches.get(key)
        return self._waits.get(self._round_of(watch), 0.0) if watch is not None else 0.0

    def sources(self) -> Mapping[str, tuple[float, float]]:
        """Tell of each source how far its clock is ahead of ours, and how old its newest sample always is."""
        return self._presets.sources()

    def _requests(self, watch: Watch, metric: Metric, now: float) -> Mapping[str, float | None]:
        """Count the requests that a user's query speaks of, by revision."""
        return {arm.revision: self._presets.requests(watch, arm, window_of(metric), now) for arm in watch.arms}

    async def close(self) -> None:
        """End all looking."""
        for asking in (self._rounds, self._own, self._pasts, self._streams):
            await asking.close()

    async def take_looks(self, interval: float) -> None:
        """Look at the rollouts of one interval, whatever their sources."""
        rounds = {self._round_of(watch) for watch in self._watches.values() if watch.interval == interval}
        await asyncio.gather(*(self._take(together, self._clock.now() + interval) for together in rounds))

    async def settle(self) -> None:
        """Wait for what is asked beside the looks: who plays the past looks faster than anybody answers."""
        await asyncio.gather(self._own.settle(), self._pasts.settle(), self._streams.settle())

    def _round_of(self, watch: Watch) -> Round:
        return watch.interval, self._presets.sources_of(watch)

    def _of(self, together: Round) -> list[Watch]:
        return [watch for watch in self._watches.values() if self._round_of(watch) == together]

    def _goes_on(self, together: Round) -> bool:
        """Whether anything is left in a round to be looked at; else what is known of its sources alone is dropped."""
        if self._of(together):
            return True
        self._waits.pop(together, None)
        self._presets.forget_others([*self._watches.values()], of_all_sources=True)
        self.silences.tidy()
        return False

    async def _take(self, together: Round, until: float) -> None:
        """Look at a round."""
        watches = self._of(together)
        turns = self._turns(together, len(watches))
        calm = [] if turns is None else [watch for watch in watches if self._known_of(watch) is not None]
        self._streams.begin(watches)
        await self._take_looks(watches, calm, turns, until)
        self._presets.forget_others([*self._watches.values()])

    async def _take_new(self, together: Round, until: float) -> None:
        """Look at those of a round at which nobody has looked yet, nor has asked for their counters."""
        new = [watch for watch in self._of(together) if not self._is_known(watch)]
        if new:
            await self._take_looks(new, [], None, until)

    def _is_known(self, watch: Watch) -> bool:
        return watch.key in self._looks or self._newcomers.holds(watch)

    async def _take_looks(
        self, watches: Sequence[Watch], calm: Sequence[Watch], turns: int | None, until: float
    ) -> None:
        """Look at some rollouts, at the `calm` of them only where a glance finds anything.

        Where many are new, as at a start, the last of these wait for the next round, if that is due before it is done.
        """
        try:
            await self._look_at(watches, calm, turns, until)
        finally:
            # Of what has ended meanwhile something may have been asked since.
            for watch in watches:
                if self._current(watch) is None:
                    self._forget_answers(watch)

    async def _look_at(self, watches: Sequence[Watch], calm: Sequence[Watch], turns: int | None, until: float) -> None:
        asked = without(watches, calm)
        new = self._newcomers.among(asked)
        looked_at = without(asked, new)
        scraped = {watch.rollout: self._presets.scrape_interval(watch) for watch in asked}
        await asyncio.gather(self._presets.ask(watches, timed_alone=looked_at), self._own.ask(asked, scraped))
        at = self._clock.now()
        await self.silences.ask(without(watches, self._newcomers.not_in_vain(new)))
        self._pasts.begin(watches)
        found, blind = self._glanced(calm), self._newcomers.unanswered(new)
        line = self._newcomers.line_up(without(new, blind))
        await self._introduce(line, at)
        # What was put off is asked for in full before it is looked at; first of all what may have to be taken back.
        await self._presets.ask_histograms(found[Glance.NEWS])
        first = [*blind, *found[Glance.NEWS], *(watch for watch in looked_at if not watch.calm)]
        others = [watch for watch in looked_at if watch.calm]
        turns = await self._publish([*self._in_line(first), *self._in_line(others)], at, turns)
        await self._presets.ask_histograms(found[Glance.CELL])
        await self._publish(self._in_line(found[Glance.CELL]), at, turns)
        while line.left and self._clock.now() < until:
            await self._introduce(line, at)

    async def _introduce(self, line: Line, at: float) -> None:
        """Take the first looks at some; whether they are quiet is asked now, as the counters may be seconds old.

        After a wait in vain they are, and everybody looks quiet: of those the next round asks, while they are new.
        """
        if few := await self._newcomers.next_few(line):
            await self.silences.ask(self._newcomers.not_in_vain(few))
            await self._publish(few, at)

    def _turns(self, together: Round, live: int) -> int | None:
        """Tell how many of a round may have a pass although nothing asks for one; None where each look has one."""
        interval, _ = together
        if live <= CALM_PASSES_A_SECOND * interval:
            self._waits.pop(together, None)
            return None
        passes = CROWDED_SHARE * CALM_PASSES_A_SECOND
        self._waits[together] = live / max(passes, 1.0)
        return int(passes * interval)

    def _known_of(self, watch: Watch) -> Foretold | None:
        """Give what the tests say of a rollout at which a glance is enough: all was well when it was passed by."""
        if not (self._told.goes_on(watch) and self._glances.cover(watch)):
            return None
        return self._weighing.of(watch)

    def _glanced(self, watches: Sequence[Watch]) -> dict[Glance, list[Watch]]:
        """Glance at rollouts; the looks at those of which nothing is found are put off."""
        found: dict[Glance, list[Watch]] = {glance: [] for glance in Glance}
        now = round(self._clock.now(), 3)
        self._glances.begin(now)
        for watch in watches:
            found[self._glance(watch)].append(watch)
        for watch in found[Glance.NOTHING]:
            one = PutOff(now, self._glances.reached(watch.key))
            self._put_off[watch.key] = (*self._put_off.get(watch.key, ())[-1:], one)
        return found

    def _glance(self, asked: Watch) -> Glance:
        watch = self._current(asked)
        foretold = self._known_of(watch) if watch is not None else None
        look = self._looks.get(asked.key)
        if watch is None or foretold is None or look is None or self.silences.of(watch) is not None:
            return Glance.NEWS
        past = self._told.past(watch.key)
        if self._streams.messages(watch) != look.stream_messages or self._pasts.of(watch) is not past:
            return Glance.NEWS
        return self._glances.at(watch, look, foretold)

    def _in_line(self, watches: Sequence[Watch]) -> list[Watch]:
        """Put those first whose last pass is longest ago."""
        return sorted(watches, key=lambda watch: self._told.at(watch.key))

    async def _publish(self, watches: Sequence[Watch], at: float, turns: int | None = None) -> int | None:
        """Give each rollout its look, as of a time, some at once: a revert must not wait for the looks of all.

        `turns` are the passes that there is time for where nothing asks for one, None where each look has one; gives
        how many of them are left.
        """
        for start in range(0, len(watches), LOOKS_AT_ONCE):
            news = self._news(await self._looked_at(watches[start : start + LOOKS_AT_ONCE], at), at)
            self._looks.update(self._weighing.together([(watch, self._looks[watch.key]) for watch in news]))
            patient = [] if turns is None else [watch for watch in news if self._may_wait(watch)]
            have_a_turn, waiting = patient[:turns], {watch.key for watch in patient}
            for watch in (*(each for each in news if each.key not in waiting), *have_a_turn):
                self._told.tell(watch, self._looks[watch.key])
                # A pass over each of a hundred live ones takes seconds: a revert must not stand in line behind them.
                (self._wake_first if exceeds_a_limit(watch, self._looks[watch.key]) else self._wake)(watch.key)
            for watch in patient[len(have_a_turn) :]:
                self._looks[watch.key] = self._weighing.pass_by(watch, self._looks[watch.key])
            turns = None if turns is None else turns - len(have_a_turn)
            await asyncio.sleep(0)
        return turns

    async def _looked_at(self, watches: Sequence[Watch], at: float) -> list[tuple[Watch, Look]]:
        """Take looks; every now and then the passes that were woken have a turn."""
        taken = []
        for number, watch in enumerate(watches, start=1):
            current = self._current(watch)
            if current is not None:
                taken.append((current, self._look(current, at)))
            if number % LOOKS_IN_A_ROW == 0:
                await asyncio.sleep(0)
        return taken

    def _current(self, watch: Watch) -> Watch | None:
        """Give what a rollout is watched for now: a stage may have begun since the round did."""
        current = self._watches.get(watch.key)
        return current if current is not None and current.rollout == watch.rollout else None

    def _news(self, taken: Sequence[tuple[Watch, Look]], at: float) -> list[Watch]:
        """Put looks where passes find them, and tell who is to be woken; until then no other pass has its turn.

        `watch` relies on it: a look that lies there and has woken nobody would count as judged by a pass of before.
        """
        news = []
        for watch, look in taken:
            current = self._current(watch)
            if current is not None:
                self._looks[current.key] = look if current is watch else self._look(current, at)
                news.append(current)
        return [watch for watch in news if not self._told.repeated_by(watch, self._looks[watch.key])]

    def _may_wait(self, watch: Watch) -> bool:
        """Whether a look changes nothing: what is written of it is for people, and only every ten seconds."""
        look = self._looks[watch.key]
        if not self._told.goes_on(watch) or look.past is not self._told.past(watch.key):
            return False
        return self._weighing.stays_safe(watch, look)

    def _look(self, watch: Watch, at: float, *, timed: bool = True) -> Look:
        """Take a look that goes by when its counters came: who has many to look at must not call them old for that."""
        now = max(at, watch.since or at)
        observations = {
            metric.name: self._presets.observe(watch, metric, now, timed=timed)
            if metric.preset is not None
            else self._own.observe(watch, metric, self._requests(watch, metric, now))
            for metric in watch.analysis.metrics
        }
        return Look(
            at=round(self._clock.now(), 3),
            observations=observations,
            silence=self.silences.of(watch),
            stream_messages=self._streams.messages(watch),
            scrape_interval=self._presets.scrape_interval(watch),
            delays=self._presets.delays(watch),
            not_yet=self._presets.not_yet(watch, now),
            past=self._pasts.of(watch),
            arrivals=self._presets.arrivals(watch, now),
        )
