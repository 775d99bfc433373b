"""Asks for one kind of series of all rollouts of a group at once, and keeps what they have grown by.

Counters and histograms are kept apart: a histogram is twenty series for each one that counts answers, and may be asked
for later than these. Raw samples since each revision's last answer, in chunks; a chunk that fails leaves only its own
revisions without data. What reaches far back is asked for in smaller ones, few at a time, and each answer is dropped
before the next is read: at a start the minutes of a hundred rollouts would be hundreds of megabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.core.analysis.promql import Arm, SeriesKind
from serinus.core.analysis.source_time import LONGEST_DELAY
from serinus.core.analysis.tally import Tallies, unasked_for
from serinus.core.model.answers import MetricsAnswer, NoAnswer, whole
from serinus.runtime.groups import PAST_SCRAPES, SHORTEST_SCRAPED, Group, SharedQuery, questions
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.source_times import SourceTimes

PAST_AT_ONCE: Final = 2
"""Questions to a source under way that reach far back: one is answered while the last answer is taken in."""
_NOTHING: Final[Mapping[Arm, NoAnswer]] = {}
_NOBODY: Final[Mapping[Arm, float]] = {}


@dataclass(frozen=True)
class Asked:
    """What is asked of a group: at once, and of the past; for how long (s) the answers are kept."""

    group: Group
    questions: Sequence[SharedQuery]
    past: Sequence[SharedQuery]
    reach: float


class SharedSeries:
    """The increments of one kind of series, by group; what is known of sources' clocks and scrapes is `times`."""

    def __init__(self, kind: SeriesKind, metrics: Metrics, clock: Clock, times: SourceTimes) -> None:
        self._kind = kind
        self._metrics = metrics
        self._clock = clock
        self._times = times
        self._tallies: dict[Group, Tallies] = {}
        self._known_until: dict[Group, dict[Arm, float]] = {}
        """Up to when each revision's samples are known that has been answered."""
        self._answered_at: dict[Group, dict[Arm, float]] = {}
        self._failures: dict[Group, dict[Arm, NoAnswer]] = {}
        self._places: dict[str, asyncio.Semaphore] = {}
        """By source: one that hangs keeps its own, and none of another's."""

    def of(self, group: Group) -> Tallies | None:
        """Give the increments of a group; None where nothing was answered yet."""
        return self._tallies.get(group)

    def failure(self, group: Group, arms: Sequence[Arm]) -> NoAnswer | None:
        """Say why the newest samples of these revisions are not known."""
        failures = self._failures.get(group, _NOTHING)
        return next((failures[arm] for arm in arms if arm in failures), None) if failures else None

    def lacks_the_past(self, group: Group, arms: Sequence[Arm], reach: float) -> bool:
        """Whether more is to be read of any of these revisions than a look brings anyway: it is new, or was not seen.

        What is looked at seldom, or scraped no more, is no past for that.
        """
        answered = self._answered_at.get(group, _NOBODY)
        if any(arm not in answered for arm in arms):
            return True
        unseen = self._clock.now() - min(answered[arm] for arm in arms) - group.interval
        return min(unseen, reach) > PAST_SCRAPES * (self._times.of(group).learnt_interval or SHORTEST_SCRAPED)

    def give_up(self, group: Group, arms: Collection[Arm], failure: NoAnswer) -> None:
        """Take it that the source would not answer about these revisions either."""
        self._failures.setdefault(group, {}).update(dict.fromkeys(arms, failure))

    def asked(self, group: Group, arms: Collection[Arm], reach: float) -> Asked:
        """Write the questions of a group, once what is of no use to anybody is dropped.

        Whoever is watched is kept however seldom it is asked about, and while the source is away: what is known up to
        some time is never asked for again.
        """
        if (tallies := self._tallies.get(group)) is not None:
            tallies.keep_s = max(tallies.keep_s, reach)
            tallies.forget(self._clock.now(), map(group.owner, self._known_until.get(group, _NOBODY)))
        until, scraped = self._known_until.get(group, {}), self._times.of(group).learnt_interval
        known = {arm: until.get(arm) for arm in arms}
        recent, past = list[SharedQuery](), list[SharedQuery]()
        for one in questions(group, self._kind, known, reach, self._clock.now(), scraped=scraped):
            (past if one.is_of_the_past else recent).append(one)
        return Asked(group, recent, past, reach)

    async def answers(self, asked: Asked) -> list[MetricsAnswer]:
        """Ask what is asked at once."""
        source = asked.group.source
        return list(await asyncio.gather(*(self._metrics.ask(source, one.query) for one in asked.questions)))

    async def take(self, asked: Asked, answers: Sequence[MetricsAnswer]) -> Tallies:
        """Take in what was answered, then ask for the past and take that in; a source's clock is known before."""
        tallies = self._tallies_of(asked)
        self._take(asked.group, tallies, asked.questions, answers, self._clock.now())
        if asked.past:
            await asyncio.gather(*(self._take_past(asked.group, tallies, one) for one in asked.past))
        return tallies

    async def _take_past(self, group: Group, tallies: Tallies, question: SharedQuery) -> None:
        """Ask and take in at one go; the wait for a place is none for an answer, which has a time limit."""
        async with self._places.setdefault(group.source, asyncio.Semaphore(PAST_AT_ONCE)):
            asked_at = self._clock.now()
            self._take(group, tallies, [question], [await self._metrics.ask(group.source, question.query)], asked_at)

    def _tallies_of(self, asked: Asked) -> Tallies:
        group = asked.group
        tallies = self._tallies.get(group)
        if tallies is None:
            unasked = unasked_for(group.interval)
            tallies = Tallies(group.reader, keep_s=asked.reach, scope=group.scope, unasked_s=unasked)
            self._tallies[group] = tallies
        return tallies

    def _take(
        self,
        group: Group,
        tallies: Tallies,
        asked: Sequence[SharedQuery],
        answers: Sequence[MetricsAnswer],
        until: float,
    ) -> None:
        """Take in answers that tell of nothing later than `until`."""
        now, clock = self._clock.now(), self._times.of(group).clock
        told, failures = set[Arm](), dict[Arm, NoAnswer]()
        for question, answer in zip(asked, map(whole, answers), strict=True):
            told.update(question.arms)
            if isinstance(answer, NoAnswer):
                failures.update(dict.fromkeys(question.arms, answer))
            else:
                owners = [group.owner(arm) for arm in question.arms]
                series = group.of(question.arms, clock.ours(answer.series))
                tallies.ingest(series, owners, now, resets=not clock.goes_over)
        kept = {arm: failure for arm, failure in self._failures.get(group, _NOTHING).items() if arm not in told}
        self._failures[group] = {**kept, **failures}
        # While nothing has come it may still come late: whoever asks for the last seconds alone would never see it.
        newest = tallies.newest or self._times.of(group).targets.newest or until - LONGEST_DELAY
        answered = told - failures.keys()
        self._known_until.setdefault(group, {}).update(dict.fromkeys(answered, min(until, newest)))
        self._answered_at.setdefault(group, {}).update(dict.fromkeys(answered, now))

    def keep(self, groups: Collection[Group]) -> None:
        """Keep only what is known of these groups."""
        for kept in (self._tallies, self._known_until, self._answered_at, self._failures):
            for group in kept.keys() - {*groups}:
                del kept[group]

    def forget(self, group: Group, arms: Collection[Arm]) -> None:
        """Keep only what is known of these revisions: the others are watched no more."""
        for kept in (self._known_until, self._answered_at, self._failures):
            of_group = kept.get(group, {})
            for arm in of_group.keys() - {*arms}:
                del of_group[arm]
