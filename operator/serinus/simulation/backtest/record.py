"""Recorded samples of a provider's counters, and how many requests each revision had at each scrape."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serinus.api.policy import Provider
from serinus.core.analysis.exposition import READERS, Owner, Reader
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.scope import EVERYBODY
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series

Activity = Mapping[str, Mapping[float, Totals]]
"""The increments of each revision, scrape by scrape, by the name of its Service."""


@dataclass(frozen=True)
class Record:
    """All samples of one provider's series in a span of time."""

    provider: Provider
    series: tuple[Series, ...]


def within(one: Series, since: float, until: float) -> Series | None:
    """Cut out what was scraped after one time and until another; None where nothing was."""
    first, last = (bisect_right(one.samples, (at, float("inf"))) for at in (since, until))
    return Series(one.labels, one.samples[first:last]) if first < last else None


def activity_of(record: Record, triton_prefix: str) -> Activity:
    """Sum up a record; Triton's series name a revision's hash, which follows a prefix in its Service's name."""
    read = READERS[record.provider]
    owners = sorted({meaning.owner for one in record.series if (meaning := read(one.labels))})
    prefix = triton_prefix if record.provider is Provider.TRITON else ""
    return {prefix + owner[1]: line for owner, line in increments_by_owner(record.series, read, owners).items()}


def increments_by_owner(
    series: Iterable[Series], read: Reader, owners: Sequence[Owner]
) -> dict[Owner, dict[float, Totals]]:
    """Sum the increments of each owner scrape by scrape."""
    tallies = Tallies(read, keep_s=float("inf"), scope=EVERYBODY)
    tallies.ingest(series, owners, 0.0)
    return {owner: tallies.scrapes(owner, 0.0) for owner in owners}
