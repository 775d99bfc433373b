"""Tells which rollouts need no look this time, although they were scraped.

Where very many are live a look at each costs more than there is. All is well with most of them, and then a scrape
changes nothing unless it shows errors beyond a limit, or ends a cell of time: between two ends the tests say what they
have said. What counts answers is asked for each time, and so a fault is seen in the very scrape that shows it; the
histograms, twenty series for each, only when a look is taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from serinus.api.judging import Mode
from serinus.api.policy import Metric, Preset
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.lines import SILENT
from serinus.core.analysis.tally import Tallies
from serinus.core.analysis.threshold import window_of
from serinus.core.model.assessment import Look, Measured
from serinus.core.model.identity import Key
from serinus.runtime.groups import Group
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch

if TYPE_CHECKING:
    from serinus.core.analysis.comparison import Foretold


class Glance(Enum):
    """What a first look at the counters finds: nothing, the end of a cell of time, or what must be looked at now."""

    NOTHING = "nothing"
    CELL = "cell"
    NEWS = "news"


@dataclass(frozen=True)
class _Counted:
    """What counts the requests of both revisions, and over which time: the newest `window` (s), of `began` and later.

    What was counted across `wholly_after` is left out.
    """

    group: Group
    canary: Owner
    stable: Owner
    window: float
    began: float
    wholly_after: float


@dataclass(frozen=True)
class _Range:
    """How many requests there must be, and how large a share of them may be errors."""

    least: float = 0.0
    most: float = math.inf
    errors: float = math.inf

    def narrowed_by(self, metric: Metric) -> _Range:
        """Give the range in which all is well by a metric, too."""
        bounds = metric.bounds
        if metric.preset is Preset.REQUEST_COUNT:
            return _Range(max(self.least, bounds.lower or 0.0), min(self.most, _or_all(bounds.upper)), self.errors)
        errors = _or_all(bounds.upper) if metric.preset is Preset.ERROR_RATE else math.inf
        return _Range(max(self.least, metric.least_samples or 0.0), self.most, min(self.errors, errors))


Plan = dict[_Counted, _Range]
"""What a glance at one rollout asks."""
_NO_PLAN: Final[Plan] = {}


@dataclass(frozen=True)
class _Moment:
    """What is known of a group's source now: up to when its samples are to be had, and how often they come (s)."""

    tallies: Tallies
    until: float
    interval: float
    learnt: float | None
    delay: float


class Glances:
    """Glances at rollouts with which all was well at their last look."""

    def __init__(self, presets: Presets) -> None:
        self._presets = presets
        self._plans: dict[Key, tuple[Watch, Plan]] = {}
        self._reached: dict[Key, float] = {}
        self._now = 0.0
        self._moments: dict[Group, _Moment | None] = {}

    def forget(self, key: Key) -> None:
        """Drop what is kept for a rollout."""
        self._plans.pop(key, None)
        self._reached.pop(key, None)

    def cover(self, watch: Watch) -> bool:
        """Whether a rollout is one that can be glanced at."""
        return bool(self._plan_of(watch))

    def begin(self, now: float) -> None:
        """Begin to glance at some at once: all by what is known of their sources now."""
        self._now, self._moments = now, {}

    def at(self, watch: Watch, look: Look, foretold: Foretold) -> Glance:
        """Glance at a rollout; `look` is its last one, and `foretold` what the tests have said since then."""
        # Late: numpy is the price of the sequential test alone.
        from serinus.core.analysis.foretelling import may_say_more

        if not all(isinstance(seen.canary, Measured) for seen in look.observations.values()):
            return Glance.NEWS
        plan, known, horizons = self._plan_of(watch), list[_Moment](), list[float]()
        for asked in plan:
            moment = self._moment(asked.group)
            if moment is None or asked.began > self._now or self._presets.failure(watch, asked.group) is not None:
                return Glance.NEWS
            known.append(moment)
            horizons.append(moment.tallies.horizon((asked.canary, asked.stable), moment.until, moment.interval))
        before, self._reached[watch.key] = self.reached(watch.key), min(horizons)
        if not all(self._is_well(*one, moment, before) for one, moment in zip(plan.items(), known, strict=True)):
            return Glance.NEWS
        learnt = max((moment.learnt for moment in known if moment.learnt is not None), default=None)
        if learnt != look.scrape_interval or max(moment.delay for moment in known) != look.delay:
            return Glance.NEWS
        return Glance.CELL if may_say_more(foretold, max(horizons), self._now) else Glance.NOTHING

    def reached(self, key: Key) -> float:
        """Tell up to when (s) all scrapes were there at the last glance; minus infinity before the first."""
        return self._reached.get(key, -math.inf)

    def _plan_of(self, watch: Watch) -> Plan:
        known = self._plans.get(watch.key)
        if known is None or known[0] is not watch:
            plan = dict(self._planned(watch)) if _is_told_by_counters(watch) else _NO_PLAN
            known = self._plans[watch.key] = watch, plan
        return known[1]

    def _planned(self, watch: Watch) -> Iterator[tuple[_Counted, _Range]]:
        """Put together the metrics that are read from the same counters over the same time."""
        wished: Plan = {}
        for metric in watch.presets:
            group = self._presets.group_for(watch, metric)
            arms = group.owner(watch.canary), group.owner(watch.stable or watch.canary)
            span = window_of(metric), watch.counts_from(metric), watch.wholly_after(metric)
            counted = _Counted(group, *arms, *span)
            wished[counted] = wished.get(counted, _Range()).narrowed_by(metric)
        yield from wished.items()

    def _moment(self, group: Group) -> _Moment | None:
        """Give what is known of a source now; None where it cannot be judged by."""
        if group not in self._moments:
            times, tallies = self._presets.times.of(group), self._presets.counters_of(group)
            moment: _Moment | None = None
            if tallies is not None and times.failure is None and times.not_yet(self._now) is None:
                delay = times.delay
                moment = _Moment(tallies, self._now - delay, times.interval, times.learnt_interval, delay)
            self._moments[group] = moment
        return self._moments[group]

    def _is_well(self, asked: _Counted, wished: _Range, moment: _Moment, before: float) -> bool:
        """Whether both revisions are known up to now, and neither is over a limit, whatever counts as an error.

        `before` is up to when (s) all scrapes were there at the last glance.
        """
        tallies, until, interval = moment.tallies, moment.until, moment.interval
        since = max(until - self._presets.times.of(asked.group).window(asked.window), asked.began)
        for owner in (asked.canary, asked.stable):
            if tallies.several(owner, since) is not None or not tallies.freshness(owner, until, interval).fresh:
                return False
            requests, errors = tallies.requests_and_errors(owner, since, wholly_after=asked.wholly_after)
            if not 0.0 < requests <= wished.most or requests < wished.least or errors > wished.errors * requests:
                return False
        # What a single scrape of stable's shows excuses the canary for a while: it must be looked at, too. It lies in a
        # cell that is known only when the last of all targets is scraped.
        return (
            wished.errors == math.inf or tallies.most_errors(asked.stable, before - SILENT * interval) <= wished.errors
        )


def _is_told_by_counters(watch: Watch) -> bool:
    """Whether the counters tell all that a look could find between two ends of cells.

    A latency with a limit may exceed it in any scrape, and a query of a user's may say anything.
    """
    if watch.analysis.mode is Mode.THRESHOLD or watch.stable is None or watch.queries or watch.mirrored:
        return False
    return not watch.whole_stage and all(map(_is_a_count, watch.presets))


def _is_a_count(metric: Metric) -> bool:
    if metric.preset is Preset.REQUEST_COUNT:
        return True
    if metric.preset is Preset.ERROR_RATE:
        return metric.bounds.lower is None
    return metric.has_histogram and metric.threshold_range is None


def _or_all(bound: float | None) -> float:
    return math.inf if bound is None else bound
