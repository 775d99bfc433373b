"""Asks for one kind of series of all rollouts of a group at once, and keeps what they have grown by.

Counters and histograms are kept apart: a histogram is twenty series for each one that counts answers, and may be asked
for later than these. Raw samples since each revision's last answer, in chunks; a chunk that fails leaves only its own
revisions without data.
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
from serinus.runtime.groups import Group, SharedQuery, questions
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.source_times import SourceTimes

_NOTHING: Final[Mapping[Arm, NoAnswer]] = {}


@dataclass(frozen=True)
class Asked:
    """What is asked of a group at once, and for how long (s) the answers are kept."""

    group: Group
    questions: Sequence[SharedQuery]
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
        self._failures: dict[Group, dict[Arm, NoAnswer]] = {}

    def of(self, group: Group) -> Tallies | None:
        """Give the increments of a group; None where nothing was answered yet."""
        return self._tallies.get(group)

    def failure(self, group: Group, arms: Sequence[Arm]) -> NoAnswer | None:
        """Say why the newest samples of these revisions are not known."""
        failures = self._failures.get(group, _NOTHING)
        return next((failures[arm] for arm in arms if arm in failures), None) if failures else None

    def asked(self, group: Group, arms: Collection[Arm], reach: float) -> Asked:
        """Write the questions of a group."""
        until = self._known_until.get(group, {})
        known = {arm: until.get(arm) for arm in arms}
        return Asked(group, list(questions(group, self._kind, known, reach, self._clock.now())), reach)

    async def answers(self, asked: Asked) -> list[MetricsAnswer]:
        """Ask."""
        source = asked.group.source
        return list(await asyncio.gather(*(self._metrics.ask(source, one.query) for one in asked.questions)))

    def take(self, asked: Asked, answers: Sequence[MetricsAnswer]) -> Tallies:
        """Take in what was answered; a source's clock is known before."""
        group, now, times = asked.group, self._clock.now(), self._times.of(asked.group)
        tallies = self._tallies.get(group)
        if tallies is None:
            unasked = unasked_for(group.interval)
            tallies = Tallies(group.reader, keep_s=asked.reach, scope=group.scope, unasked_s=unasked)
            self._tallies[group] = tallies
        tallies.keep_s = max(tallies.keep_s, asked.reach)
        tallies.forget(now)
        told, failures = set[Arm](), dict[Arm, NoAnswer]()
        for question, answer in zip(asked.questions, map(whole, answers), strict=True):
            told.update(question.arms)
            if isinstance(answer, NoAnswer):
                failures.update(dict.fromkeys(question.arms, answer))
            else:
                owners = [group.owner(arm) for arm in question.arms]
                series = group.of(question.arms, times.clock.ours(answer.series))
                tallies.ingest(series, owners, now, resets=not times.clock.goes_over)
        kept = {arm: failure for arm, failure in self._failures.get(group, _NOTHING).items() if arm not in told}
        self._failures[group] = {**kept, **failures}
        until = min(now, tallies.newest or times.targets.newest or now - LONGEST_DELAY)
        # While nothing has come it may still come late: whoever asks for the last seconds alone would never see it.
        self._known_until.setdefault(group, {}).update(dict.fromkeys(told - failures.keys(), until))
        return tallies

    def keep(self, groups: Collection[Group]) -> None:
        """Keep only what is known of these groups."""
        for group in self._tallies.keys() - {*groups}:
            for kept in (self._tallies, self._known_until, self._failures):
                kept.pop(group, None)

    def forget(self, group: Group, arms: Collection[Arm]) -> None:
        """Keep only what is known of these revisions: the others are watched no more."""
        known, failures = self._known_until.get(group, {}), self._failures.get(group, {})
        for arm in {*known, *failures} - {*arms}:
            known.pop(arm, None)
            failures.pop(arm, None)
