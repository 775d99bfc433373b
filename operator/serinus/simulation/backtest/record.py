"""Recorded samples, cut by time; and which past changes of revision they show."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.api.policy import Provider
from serinus.core.analysis.exposition import Owner, Reader
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.scope import EVERYBODY
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from serinus.simulation.backtest.replay import Trial

GAP_S: Final = 300.0
"""A revision without requests for so long has ended."""
LONGEST_S: Final = 6 * 3600.0


@dataclass(frozen=True)
class Record:
    """All samples of one provider's series in a span of time."""

    provider: Provider
    series: tuple[Series, ...]

    def between(self, after: float, until: float) -> list[Series]:
        """Cut out what was scraped after one time and until another."""
        found = []
        for one in self.series:
            first, last = (bisect_right(one.samples, (at, float("inf"))) for at in (after, until))
            if first < last:
                found.append(Series(one.labels, one.samples[first:last]))
        return found


@dataclass(frozen=True)
class Records:
    """Those of all providers that a policy asks."""

    records: tuple[Record, ...]

    def batches(self, after: float, until: float) -> Iterator[tuple[Provider, Sequence[Series]]]:
        """Give each provider's samples of a time."""
        for record in self.records:
            yield record.provider, record.between(after, until)


def increments_by_owner(
    series: Iterable[Series], read: Reader, owners: Sequence[Owner]
) -> dict[Owner, dict[float, Totals]]:
    """Sum the increments of each owner scrape by scrape."""
    tallies = Tallies(read, keep_s=float("inf"), scope=EVERYBODY)
    tallies.ingest(series, owners, 0.0)
    return {owner: tallies.scrapes(owner, 0.0) for owner in owners}


def trials(activity: Mapping[str, Mapping[float, Totals]], guard_s: float) -> tuple[Trial, ...]:
    """Find the times at which a revision began to get requests while another one served."""
    busy = {name: sorted(at for at, totals in line.items() if totals.requests > 0) for name, line in activity.items()}
    begins = min((times[0] for times in busy.values() if times), default=0.0)
    found = []
    for canary, times in busy.items():
        for started, ended in _episodes(times):
            stable = _serving(activity, canary, started)
            if stable is not None and started - begins > 0.0:
                # A rollout lasts until the older revision has no more requests, and for its guard window.
                last = max((at for at in busy[stable] if at <= ended), default=started)
                until = min(ended, last + guard_s, started + LONGEST_S)
                found.append(Trial(stable, canary, started - 0.001, until))
    return tuple(sorted(found, key=lambda trial: (trial.started, trial.canary)))


def _episodes(times: Sequence[float]) -> Iterator[tuple[float, float]]:
    first = previous = None
    for at in times:
        if first is None or previous is None:
            first = at
        elif at - previous > GAP_S:
            yield first, previous
            first = at
        previous = at
    if first is not None and previous is not None:
        yield first, previous


def _serving(activity: Mapping[str, Mapping[float, Totals]], canary: str, started: float) -> str | None:
    """Name the other revision that had most of the requests just before."""
    before = {
        name: sum(totals.requests for at, totals in line.items() if started - GAP_S < at < started)
        for name, line in activity.items()
        if name != canary
    }
    stable = max(before, key=lambda name: before[name], default=None)
    return stable if stable is not None and before[stable] > 0 else None
