"""Takes a closer look at quiet canaries: since when they have answered nothing, and which requests are waiting.

It queries only rollouts whose canary has not answered lately, so it costs nothing when all is well. It reads five
minutes back, so a restarted operator sees the same silence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.inflight import (
    gateway_query,
    message_query,
    open_query,
    pending_query,
    read_answers,
    read_entered,
    read_messages,
    slowest_answers,
    waiting,
)
from serinus.core.analysis.own_pods import told_apart
from serinus.core.analysis.promql import SERVICES_PER_QUERY, Arm
from serinus.core.analysis.scope import Scope
from serinus.core.analysis.streams import LEAST, stream_query
from serinus.core.analysis.tally import LONGEST_SILENCE, Tallies, unasked_for
from serinus.core.model.answers import NoAnswer, Series, whole
from serinus.core.model.assessment import Silence
from serinus.core.model.revision import GRPC_PORT
from serinus.runtime.groups import SLACK, Group
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.source_times import GroupTimes
from serinus.runtime.watch import Watch

REACH_SECONDS = 300.0
RATE_SECONDS = 60.0


@dataclass
class _Heard:
    """What was heard of one source's quiet canaries and of their stable revisions."""

    answers: Tallies
    messages: Tallies
    entered: Tallies
    unasked_s: float
    waiting: dict[Owner, dict[float, float]] = field(default_factory=dict)
    asked_at: dict[Arm, float] = field(default_factory=dict)

    @classmethod
    def nothing(cls, scope: Scope, unasked_s: float) -> _Heard:
        """Begin to listen to those whose requests count."""
        answers, messages, entered = (
            Tallies(read, keep_s=LONGEST_SILENCE, scope=scope, unasked_s=unasked_s)
            for read in (read_answers, read_messages, read_entered)
        )
        return cls(answers, messages, entered, unasked_s)

    def take_waiting(self, series: Sequence[Series], now: float) -> None:
        """Keep what waits, scrape by scrape."""
        for owner, times in waiting(series).items():
            kept = {**self.waiting.get(owner, {}), **times}
            self.waiting[owner] = {at: value for at, value in kept.items() if at > now - LONGEST_SILENCE}

    def most_waiting(self, arm: Arm, after: float) -> float | None:
        """Tell how many waited at most after a time, at the gateway or the server; None where nothing counts them."""
        owners = (arm.namespace, arm.service), (arm.namespace, arm.pods)
        found = (value for owner in owners for at, value in self.waiting.get(owner, {}).items() if at > after)
        return max(found, default=None)

    def forget(self, now: float) -> None:
        """Drop what is too old."""
        for tallies in (self.answers, self.messages, self.entered):
            tallies.forget(now)
        self.asked_at = {arm: at for arm, at in self.asked_at.items() if at > now - self.unasked_s}
        self.waiting = {owner: times for owner, times in self.waiting.items() if max(times) > now - LONGEST_SILENCE}


@dataclass(frozen=True)
class StillOpen:
    """How many requests and streams are open at a revision, and whether some of them are gRPC streams."""

    calls: float
    streams: bool


class Silences:
    """Keeps what is known of the canaries that were quiet at the newest look."""

    def __init__(self, metrics: Metrics, clock: Clock, presets: Presets) -> None:
        self._metrics = metrics
        self._clock = clock
        self._presets = presets
        self._heard: dict[Group, _Heard] = {}
        self._quiet: set[str] = set()

    async def ask(self, watches: Sequence[Watch]) -> None:
        """Ask about rollouts whose canary was not seen to answer lately; of the others nothing is known."""
        quiet = [watch for watch in watches if self._presets.is_quiet(watch)]
        self._quiet -= {watch.rollout for watch in watches}
        self._quiet |= {watch.rollout for watch in quiet}
        groups: dict[Group, list[Watch]] = {}
        for watch in quiet:
            group = self._presets.group_of(watch)
            if group is not None:
                groups.setdefault(group, []).append(watch)
        await asyncio.gather(*(self._ask_group(group, watches) for group, watches in groups.items()))

    def forget(self, watch: Watch) -> None:
        """Drop what is kept for a rollout; what its revisions have answered is forgotten when nobody asks for it."""
        self._quiet.discard(watch.rollout)

    def tidy(self) -> None:
        """Drop what was heard of sources that no rollout is watched by any more."""
        heard = self._heard.items()
        self._heard = {group: known for group, known in heard if self._presets.counters_of(group) is not None}

    async def still_open(self, arm: Arm, source: str | None = None) -> StillOpen:
        """Tell what is open at a revision; nothing, where nothing counts it.

        A gRPC stream and a long inference over gRPC look the same, until it is seen to have answered several messages.
        """
        named = source or self._metrics.names()[0]
        matchers = self._presets.scope_of(named).matchers
        calls, grpc, messages = await asyncio.gather(
            self._number(named, open_query(arm, matchers)),
            self._number(named, open_query(arm, matchers, ports=str(GRPC_PORT))),
            self._number(named, stream_query((arm,), matchers, seconds=REACH_SECONDS)),
        )
        return StillOpen(calls or 0.0, streams=bool(grpc) and (messages or 0.0) >= LEAST)

    def of(self, watch: Watch) -> Silence | None:
        """Tell what is known of a canary's silence; None where it answers."""
        group = self._presets.group_of(watch)
        heard = self._heard.get(group) if group is not None else None
        if group is None or heard is None or watch.since is None or watch.rollout not in self._quiet:
            return None
        return _silence(heard, _Quiet(group, watch, watch.since, self._presets.times.of(group)), self._clock.now())

    async def _ask_group(self, group: Group, watches: Sequence[Watch]) -> None:
        unasked, now = unasked_for(group.interval), self._clock.now()
        heard = self._heard.get(group)
        if heard is None:
            heard = self._heard[group] = _Heard.nothing(group.scope, unasked)
        heard.forget(now)
        times = self._presets.times.of(group)
        alike: dict[float, list[Arm]] = {}
        for arm in sorted({arm for watch in watches for arm in watch.arms}):
            gap = min(now - heard.asked_at[arm] + SLACK, REACH_SECONDS) if arm in heard.asked_at else REACH_SECONDS
            # As far back as the newest scrape may be, or nothing of it would be seen between two scrapes.
            alike.setdefault(gap + times.interval + times.delay, []).append(arm)
        questions = [
            (members[start : start + SERVICES_PER_QUERY], seconds)
            for seconds, members in alike.items()
            for start in range(0, len(members), SERVICES_PER_QUERY)
        ]
        await asyncio.gather(*(self._ask_arms(group, heard, arms, seconds) for arms, seconds in questions))

    async def _ask_arms(self, group: Group, heard: _Heard, arms: Sequence[Arm], seconds: float) -> None:
        now, owners = self._clock.now(), [group.owner(arm) for arm in arms]
        times, matchers = self._presets.times.of(group), group.scope.matchers
        presets, messages, gateway, pending = await asyncio.gather(
            self._series(group.source, *group.queries(arms, seconds, latency=True)),
            self._series(group.source, message_query(arms, seconds, matchers)),
            self._series(group.source, gateway_query(arms, seconds, matchers)),
            self._series(group.source, pending_query(arms, seconds, matchers)),
        )
        if presets is None:
            return
        services = [(arm.namespace, arm.service) for arm in arms]
        resets, ours = not times.clock.goes_over, times.clock.ours
        heard.answers.ingest(group.of(arms, ours(presets)), owners, now, resets=resets)
        heard.messages.ingest(ours(messages or ()), services, now, resets=resets)
        heard.entered.ingest(ours(gateway or ()), services, now, resets=resets)
        waits = ours((*(gateway or ()), *(pending or ())))
        heard.take_waiting(tuple(told_apart(waits, arms)), now)
        heard.asked_at.update(dict.fromkeys(arms, now))

    async def _number(self, source: str, query: str) -> float | None:
        series = await self._series(source, query)
        return series[0].samples[-1][1] if series and series[0].samples else None

    async def _series(self, source: str, *queries: str) -> tuple[Series, ...] | None:
        """Ask; None where the source does not say."""
        answers = [whole(one) for one in await asyncio.gather(*(self._metrics.ask(source, query) for query in queries))]
        if any(isinstance(answer, NoAnswer) for answer in answers):
            return None
        return tuple(one for answer in answers if not isinstance(answer, NoAnswer) for one in answer.series)


@dataclass(frozen=True)
class _Quiet:
    """A canary that is quiet, since when its stage goes on, and when there is news of it."""

    group: Group
    watch: Watch
    began: float
    times: GroupTimes


def _silence(heard: _Heard, quiet: _Quiet, now: float) -> Silence | None:
    """Put together what is known of one canary."""
    group, watch, began, times = quiet.group, quiet.watch, quiet.began, quiet.times
    canary, stable = watch.canary, watch.stable or watch.canary
    arms = [group.owner(canary), group.owner(stable)]
    service = (canary.namespace, canary.service)
    newest = [heard.answers.freshness(owner, now, watch.interval).newest for owner in arms]
    until = max((at for at in newest if at is not None), default=None)
    if until is None:
        return None
    answered = [*_answered(heard.answers, arms[0], began), *_answered(heard.messages, service, began)]
    since = max(answered, default=began)
    recently = now - times.delay - max(SLACK, 2 * times.interval)
    stable_answers = _answered(heard.answers, arms[1], since) if watch.stable else {}
    return Silence(
        since=since,
        until=max(until, since),
        rate=_rate(heard.answers, arms, since),
        entered=_entered(heard, arms[0], service, since),
        in_flight=heard.most_waiting(canary, recently),
        most_in_flight=heard.most_waiting(canary, since) or 0.0,
        stable_answers=sum(stable_answers.values()),
        stable_answered_at=max(stable_answers, default=None),
        stable_in_flight=heard.most_waiting(stable, recently),
        slowest=_slowest(heard.answers, arms),
    )


def _entered(heard: _Heard, owner: Owner, service: Owner, since: float) -> float | None:
    """Count what went in: what the gateway has sent there, or at least the callers who hung up; None if none counts."""
    hung_up = heard.answers.totals(owner, since).client_errors
    counted = heard.entered.freshness(service, since, 0.0).newest is not None
    return max(hung_up, heard.entered.totals(service, since).success) if counted or hung_up else None


def _answered(tallies: Tallies, owner: Owner, after: float) -> dict[float, float]:
    return {at: totals.success for at, totals in tallies.scrapes(owner, after).items() if totals.success > 0}


def _rate(tallies: Tallies, owners: Sequence[Owner], until: float) -> float:
    """Tell both revisions' answers a second before a time."""
    counts = (
        count
        for owner in dict.fromkeys(owners)
        for at, count in _answered(tallies, owner, until - RATE_SECONDS).items()
        if at <= until
    )
    return sum(counts) / RATE_SECONDS


def _slowest(tallies: Tallies, owners: Sequence[Owner]) -> float | None:
    """Tell how slow answers are: by the histogram, else by the slowest scrape's mean."""
    found = [slowest_answers(tallies.totals(owner, 0.0)) for owner in owners]
    for owner in owners:
        scrapes = tallies.scrapes(owner, 0.0).values()
        found += [totals.seconds / totals.success for totals in scrapes if totals.seconds and totals.success]
    return max((one for one in found if one is not None), default=None)
