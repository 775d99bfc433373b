"""Tells which rollouts need no look this time, although they were scraped.

Where very many are live a look at each costs more than there is. All is well with most of them, and then a scrape
changes nothing unless it shows errors beyond a limit, or ends a cell of time: between two ends the tests say what they
have said. What counts answers is asked for each time, and so a fault is seen in the very scrape that shows it; the
histograms, twenty series for each, only when a look is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from serinus.api.judging import Mode
from serinus.api.policy import Metric, Preset
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.readings import Window
from serinus.core.analysis.tally import Tallies
from serinus.core.analysis.threshold import exceeded_limit
from serinus.core.model.assessment import Look, Measured
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch

if TYPE_CHECKING:
    from serinus.core.analysis.foretelling import Foretold


class Glance(Enum):
    """What a first look at the counters finds: nothing, the end of a cell of time, or what must be looked at now."""

    NOTHING = "nothing"
    CELL = "cell"
    NEWS = "news"


@dataclass(frozen=True)
class _Counts:
    """The counters of both revisions, and the time that a metric's value is taken over."""

    tallies: Tallies
    canary: Owner
    stable: Owner
    span: Window
    wholly_after: float

    def fresh(self) -> bool:
        """Whether both are known up to now, each of one cluster."""
        until, interval = self.span.until, self.span.scrape_interval
        return all(
            self.tallies.freshness(one, until, interval).fresh and self.tallies.several(one, self.span.since) is None
            for one in (self.canary, self.stable)
        )


class Glances:
    """Glances at rollouts with which all was well at their last look."""

    def __init__(self, presets: Presets) -> None:
        self._presets = presets

    def at(self, watch: Watch, look: Look, foretold: Foretold, now: float) -> Glance:
        """Glance at a rollout; `look` is its last one, and `foretold` what the tests have said since then."""
        # Late: numpy is the price of the sequential test alone.
        from serinus.core.analysis.foretelling import may_say_more

        counts = [*self._counts(watch, now)]
        if not counts or not all(map(_is_measured, look.observations.values())) or not self._repeats(watch, look):
            return Glance.NEWS
        if not all(one.fresh() for _, one in counts) or not all(_is_well(*each, look.at) for each in counts):
            return Glance.NEWS
        horizons = (
            one.tallies.horizon((one.canary, one.stable), one.span.until, one.span.scrape_interval) for _, one in counts
        )
        return Glance.CELL if may_say_more(foretold, max(horizons)) else Glance.NOTHING

    def _counts(self, watch: Watch, now: float) -> Iterator[tuple[Metric, _Counts]]:
        """Give the counters behind each metric; none at all where one of them cannot be read."""
        found = []
        for metric in watch.presets:
            group, began = self._presets.group_for(watch, metric), watch.counts_from(metric)
            tallies = self._presets.counters_of(group)
            if tallies is None or watch.stable is None or began > now or self._presets.unknown(watch, group):
                return
            span = self._presets.span(watch, group, metric, now)
            owners = group.owner(watch.canary), group.owner(watch.stable)
            found.append((metric, _Counts(tallies, *owners, span, watch.wholly_after(metric))))
        yield from found

    def _repeats(self, watch: Watch, look: Look) -> bool:
        """Whether what a look says beside its metrics still holds."""
        return (
            self._presets.not_yet(watch) is None
            and self._presets.scrape_interval(watch) == look.scrape_interval
            and self._presets.delay(watch) == look.delay
        )


def may_be_glanced_at(watch: Watch) -> bool:
    """Whether the counters tell all that a look could find between two ends of cells.

    A latency with a limit may exceed it in any scrape, and a query of a user's may say anything.
    """
    compared = watch.analysis.mode is not Mode.THRESHOLD and not watch.queries and not watch.mirrored
    return compared and all(map(_is_told_by_counters, watch.presets))


def _is_told_by_counters(metric: Metric) -> bool:
    if metric.preset is Preset.REQUEST_COUNT:
        return True
    if metric.preset is Preset.ERROR_RATE:
        return metric.bounds.lower is None
    return metric.has_histogram and metric.threshold_range is None


def _is_measured(seen: object) -> bool:
    return isinstance(getattr(seen, "canary", None), Measured)


def _is_well(metric: Metric, counts: _Counts, since: float) -> bool:
    """Whether neither revision is over a limit, whatever counts as an error, in the window or in any scrape since."""
    for owner in (counts.canary, counts.stable):
        totals = counts.tallies.totals(owner, counts.span.since, wholly_after=counts.wholly_after)
        requests = totals.requests
        if requests <= 0.0 or requests < (metric.least_samples or 0):
            return False
        if metric.preset is Preset.REQUEST_COUNT:
            lower = metric.bounds.lower
            if exceeded_limit(metric, requests) is not None or (lower is not None and requests < lower):
                return False
        elif metric.preset is Preset.ERROR_RATE and (upper := metric.bounds.upper) is not None:
            if (totals.server_errors + totals.client_errors) / requests > upper:
                return False
            # What a single scrape of stable's shows excuses the canary for a while: it must be looked at, too.
            newest = min(since, counts.span.until) - counts.span.scrape_interval
            if owner == counts.stable and counts.tallies.most_errors(owner, newest) > upper:
                return False
    return True
