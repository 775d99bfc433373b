"""Asks what still arrives at revisions that have lost their traffic: beside the passes, once an interval."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from serinus.api.policy import Provider
from serinus.core.analysis.arriving import Moment, heard, read_drain, sent_query
from serinus.core.analysis.inflight import read_answers, read_entered
from serinus.core.analysis.promql import Arm, istio_queries
from serinus.core.analysis.tally import LONGEST_SILENCE, Tallies
from serinus.core.model.answers import MetricsAnswer, NoAnswer, Series, whole
from serinus.core.model.drain import UNCOUNTED, Drain
from serinus.runtime.groups import SLACK, Group
from serinus.runtime.inflight import REACH_SECONDS, Silences
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets

SCRAPES_BEFORE = 2
"""So many scrapes from before the write are asked for: an increment needs the sample before it."""


@dataclass(frozen=True)
class Left:
    """A revision that the route has left: since when, who counts its requests, how often to ask, how long one may last.

    Unix seconds, and seconds; without a source the first one counts.
    """

    arm: Arm
    written: float
    source: str | None
    every: float
    lasts: float


@dataclass
class Draining:
    """What was heard of one revision; `drain` is None until the first answer. `told_at`: the question of the newest."""

    sent: Tallies
    answered: Tallies
    drain: Drain | None = None
    asked_at: float | None = None
    told_at: float | None = None
    asking: bool = False

    def is_due(self, now: float, every: float) -> bool:
        """Whether it is time to ask, and nobody is asking."""
        return not self.asking and (self.asked_at is None or now - self.asked_at >= every - 0.01)


class Drains:
    """Counts what arrives at single revisions; what is known of a source's clock and scrapes is the presets'."""

    def __init__(self, metrics: Metrics, clock: Clock, presets: Presets, silences: Silences) -> None:
        self._metrics = metrics
        self._clock = clock
        self._presets = presets
        self._silences = silences

    def begin(self, source: str | None) -> Draining:
        """Begin to listen for one revision, to those whose requests count at the source."""
        scope = self._presets.scope_of(self._named(source))
        sent, answered = (Tallies(read, keep_s=LONGEST_SILENCE, scope=scope) for read in (read_entered, read_answers))
        return Draining(sent, answered)

    async def ask(self, known: Draining, left: Left) -> None:
        """Find out what arrives at a revision, and what is in flight there."""
        asked_at, found = self._clock.now(), UNCOUNTED
        try:
            found = await self._found(known, left)
        finally:
            known.drain = heard(known.drain, found, self._clock.now())
            known.asked_at, known.asking = asked_at, False

    async def _found(self, known: Draining, left: Left) -> Drain:
        arm, written, named, now = left.arm, left.written, self._named(left.source), self._clock.now()
        group = Group(named, Provider.ISTIO, left.every, self._presets.scope_of(named))
        times, scope = self._presets.times.of(group), group.scope
        since = written if known.told_at is None else known.told_at
        reach = min(now - since + SLACK + times.delay + SCRAPES_BEFORE * times.interval, REACH_SECONDS)
        gateways = ("*",) if scope.mesh else scope.gateways
        sent, answered, targets, still = await asyncio.gather(
            self._series(named, sent_query(arm, reach, gateways, scope.matchers)),
            self._series(named, *istio_queries([arm], seconds=reach, latency=False, matchers=scope.matchers)),
            self._metrics.ask(named, group.targets([arm])),
            self._silences.still_open(arm, left.source),
        )
        times.take_targets(targets, asked_at=now, answered_at=self._clock.now())
        if sent is None or answered is None or times.failure is not None:
            return UNCOUNTED
        known.told_at = now
        owner, resets = (arm.namespace, arm.service), not times.clock.goes_over
        known.sent.ingest(times.clock.ours(sent), [owner], now, resets=resets)
        known.answered.ingest(times.clock.ours(answered), [owner], now, resets=resets)
        newest = times.targets.newest if times.targets_fresh(now) else None
        at = Moment(now, written, times.interval)
        drain = read_drain(known.sent, known.answered, owner, at, lasts=left.lasts, targets=newest)
        return replace(drain, in_flight=still.calls, streams=still.streams)

    def _named(self, source: str | None) -> str:
        return source or self._metrics.names()[0]

    async def _series(self, source: str, *queries: str) -> tuple[Series, ...] | None:
        """Ask; None where the source does not say."""
        asked: list[MetricsAnswer] = list(await asyncio.gather(*(self._metrics.ask(source, one) for one in queries)))
        answers = [whole(answer) for answer in asked]
        if any(isinstance(answer, NoAnswer) for answer in answers):
            return None
        return tuple(one for answer in answers if not isinstance(answer, NoAnswer) for one in answer.series)
