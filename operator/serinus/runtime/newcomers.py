"""Puts in order whose minutes of histograms are read first, where many rollouts are new to this process.

A process that starts has all live rollouts before it at once. What counts answers is read of all in moments, but the
histograms are twenty series for each: so those are read of a few at a time, and each few have their look before the
next are read. Whose counters show that a limit is exceeded comes first: a revert must not wait for those that are well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from serinus.api.policy import Metric, Preset
from serinus.runtime.groups import Group
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch

READ_AT_ONCE: Final = 4
"""Rollouts whose histograms are read together: they fill one question, and take a quarter of a second."""


class Newcomers:
    """Rollouts whose counters are known, and whose histograms are not."""

    def __init__(self, presets: Presets) -> None:
        self._presets = presets

    def among(self, watches: Sequence[Watch]) -> list[Watch]:
        """Name those whose histograms nobody has asked for yet."""
        return [watch for watch in watches if self._presets.reads_past_histograms(watch)]

    def unanswered(self, watches: Sequence[Watch]) -> list[Watch]:
        """Name those of which the source does not even say the counters: no histogram would make them less blind."""
        return [watch for watch in watches if any(map(partial(self._fails, watch), self._presets.groups_of(watch)))]

    def _fails(self, watch: Watch, group: Group) -> bool:
        return self._presets.counters_failure(watch, group) is not None

    def in_portions(self, watches: Sequence[Watch]) -> Iterator[list[Watch]]:
        """Give them a few at a time: those over a limit first, then those with which not all was well."""
        line = sorted(watches, key=lambda watch: (not self._is_over_a_limit(watch), watch.calm))
        for start in range(0, len(line), READ_AT_ONCE):
            yield line[start : start + READ_AT_ONCE]

    def _is_over_a_limit(self, watch: Watch) -> bool:
        """Whether the counters alone show more errors than a limit allows, whoever is to blame for them.

        It is only about who comes first, and asked of all again and again: a look says it exactly.
        """
        return any(self._exceeds(watch, metric) for metric in watch.presets if metric.preset is Preset.ERROR_RATE)

    def _exceeds(self, watch: Watch, metric: Metric) -> bool:
        group, limit = self._presets.group_for(watch, metric), metric.bounds.upper
        tallies = self._presets.counters_of(group)
        if tallies is None or limit is None:
            return False
        requests, errors = tallies.requests_and_errors(group.owner(watch.canary), watch.counts_from(metric))
        return errors > limit * requests
