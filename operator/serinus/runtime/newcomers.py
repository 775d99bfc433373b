"""Puts in order whose minutes of histograms are read first, where many rollouts are new to this process.

A process that starts has all live rollouts before it at once, and so has one whose source was away for a while. What
counts answers is read of all in moments, but the histograms are twenty series for each: so those are read of a few at a
time, and each few have their look before the next are read. Whose counters show that a limit is exceeded comes first: a
revert must not wait for those that are well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from serinus.api.policy import Metric, Preset
from serinus.core.model.answers import NoAnswer
from serinus.runtime.groups import Group
from serinus.runtime.ports import Clock
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch, without

READ_AT_ONCE: Final = 4
"""Rollouts whose histograms are read together: they fill one question, and take a quarter of a second."""


@dataclass
class Line:
    """Who is still to be read; when (s) the last few were, and whether any of them were answered."""

    left: list[Watch]
    moved_at: float
    answered: bool = False


class Newcomers:
    """Rollouts whose counters are known, and minutes of whose histograms are not."""

    def __init__(self, presets: Presets, clock: Clock) -> None:
        self._presets = presets
        self._clock = clock
        self._lines: dict[str, Line] = {}
        """By rollout, as is all here."""
        self._asked_at: dict[str, float] = {}
        self._in_vain: dict[str, float] = {}
        """When the histograms of each were last asked for, and when that was in vain."""

    def among(self, watches: Sequence[Watch]) -> list[Watch]:
        """Name those of whose histograms minutes are to be read."""
        return [watch for watch in watches if self._presets.reads_past_histograms(watch)]

    def unanswered(self, watches: Sequence[Watch]) -> list[Watch]:
        """Name those of which the source does not even say the counters: no histogram would make them less blind."""
        return [watch for watch in watches if any(map(partial(self._fails, watch), self._presets.groups_of(watch)))]

    def not_in_vain(self, watches: Sequence[Watch]) -> list[Watch]:
        """Name those whose histograms were answered, or not asked for yet."""
        return [watch for watch in watches if not self._presets.without_histograms(watch)]

    def line_up(self, watches: Sequence[Watch]) -> Line:
        """Put them in line: those over a limit first, then those that have waited longest, or are in doubt.

        Behind all others are those that were asked for in vain: one whose histograms are too many for its source would
        else stand before them time and again.
        """
        line = Line(sorted(watches, key=self._place), self._clock.now())
        self._lines.update(dict.fromkeys((watch.rollout for watch in watches), line))
        return line

    def _place(self, watch: Watch) -> tuple[float, bool, float, bool]:
        in_vain, asked_at = (kept.get(watch.rollout, -math.inf) for kept in (self._in_vain, self._asked_at))
        return in_vain, not self._is_over_a_limit(watch), asked_at, watch.calm

    def waits_since(self, watch: Watch) -> float:
        """Tell when the line last moved in which a rollout stands; minus infinity where it stands in none.

        While it moves nobody in it is overdue: their counters are known, and they come first if these are bad.
        """
        line = self._lines.get(watch.rollout)
        return line.moved_at if line is not None else -math.inf

    def holds(self, watch: Watch) -> bool:
        """Whether a rollout stands in a line: it will be looked at when its turn comes."""
        return watch.rollout in self._lines

    def forget(self, watch: Watch) -> None:
        """Drop what is kept for a rollout."""
        for kept in (self._lines, self._asked_at, self._in_vain):
            kept.pop(watch.rollout, None)

    async def next_few(self, line: Line) -> list[Watch]:
        """Read the histograms of the next few in a line, and give who can be looked at; nobody at the end.

        Where the first few are not answered nobody else is asked for: each few cost as long as a source may take to
        answer. All have a look, by which they are blind.
        """
        few, line.left = line.left[:READ_AT_ONCE], line.left[READ_AT_ONCE:]
        if not few:
            return []
        await self._presets.ask_histograms(few)
        failures = self._noted(few)
        line.answered = line.answered or not failures
        given_up = [] if line.answered else [one for one in line.left if self._presets.give_up(one, failures)]
        line.left, line.moved_at = without(line.left, given_up), self._clock.now()
        for watch in (*few, *given_up):
            self._lines.pop(watch.rollout, None)
        return [*few, *given_up]

    def _noted(self, few: Sequence[Watch]) -> dict[Group, NoAnswer]:
        """Note who was asked for in vain, and give why."""
        failures, now = dict[Group, NoAnswer](), self._clock.now()
        for watch in few:
            self._asked_at[watch.rollout] = now
            self._in_vain.pop(watch.rollout, None)
            if found := self._presets.without_histograms(watch):
                self._in_vain[watch.rollout] = now
                failures |= found
        return failures

    def _fails(self, watch: Watch, group: Group) -> bool:
        return self._presets.counters_failure(watch, group) is not None

    def _is_over_a_limit(self, watch: Watch) -> bool:
        """Whether the counters alone show more errors than a limit allows, whoever is to blame for them.

        It is only about who comes first, and asked of all again and again: a look says it exactly.
        """
        rates = (metric for metric in watch.presets if metric.preset is Preset.ERROR_RATE)
        return any(self._exceeds(watch, metric) for metric in rates if metric.gating is not False)

    def _exceeds(self, watch: Watch, metric: Metric) -> bool:
        group, limit = self._presets.group_for(watch, metric), metric.bounds.upper
        tallies = self._presets.counters_of(group)
        if tallies is None or limit is None:
            return False
        since = self._presets.span(watch, group, metric, self._clock.now()).since
        requests, errors = tallies.requests_and_errors(group.owner(watch.canary), since)
        return errors > limit * requests
