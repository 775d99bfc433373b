"""Groups rollouts that are queried together: same interval, presets that read the same source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from serinus.api.policy import Provider
from serinus.core.analysis.exposition import Owner, Reader, reader_of
from serinus.core.analysis.own_pods import owner_of, told_apart
from serinus.core.analysis.places import LONGEST_INTERVAL
from serinus.core.analysis.promql import (
    EVERY_KIND,
    SERVICES_PER_QUERY,
    Arm,
    SeriesKind,
    asked_apart,
    gateways_scraped,
    in_order,
    newest_scrape,
    pods_scraped,
    preset_queries,
    scrapes_within,
)
from serinus.core.analysis.scope import Scope
from serinus.core.model.answers import Series
from serinus.runtime.watch import Watch

SLACK = 3.0
"""Seconds asked for beyond the last answer: scrapes that were still on their way then."""
SCRAPES_AT_ONCE: Final = {SeriesKind.COUNTERS: 30_000.0, SeriesKind.HISTOGRAMS: 2_500.0}
"""Of all revisions of a question together: its answer is in memory at once, and is taken in without a break.

A hundred revisions' counters of five minutes, but only eight revisions' histograms, where each second is scraped.
"""
PAST_SCRAPES: Final = 30.0
"""A question that reaches back so far is for what nobody has asked lately: since a start, or since the source was away.
"""
SHORTEST_SCRAPED: Final = 1.0
"""Seconds between two scrapes, where nobody knows how often they come."""
COUNTED_SECONDS = 2 * LONGEST_INTERVAL
"""Two scrapes at least, of whatever is scraped at all."""


@dataclass(frozen=True)
class Group:
    """Rollouts served by the same queries."""

    source: str
    provider: Provider
    interval: float
    scope: Scope
    histogram: str = ""
    """The one that is read of a provider that has several."""

    @cached_property
    def _hash(self) -> int:
        return hash((self.source, self.provider, self.interval, self.scope, self.histogram))

    def __hash__(self) -> int:
        # A look finds a few dozen things by its group.
        return self._hash

    def owner(self, arm: Arm) -> Owner:
        """Name a revision as the provider's series do."""
        return owner_of(arm, self.provider)

    def of(self, arms: Sequence[Arm], series: Iterable[Series]) -> tuple[Series, ...]:
        """Take the series of these revisions out of an answer, named as their owners are."""
        return tuple(series) if self.provider.by_service else tuple(told_apart(series, arms))

    @property
    def has_histograms(self) -> bool:
        """Whether its histograms are asked for apart from its counters."""
        return asked_apart(self.provider)

    def queries(
        self, arms: Sequence[Arm], range_s: float, *, latency: bool, kinds: frozenset[SeriesKind] = EVERY_KIND
    ) -> list[str]:
        """Write the questions about revisions."""
        named = ("*",) if self.scope.mesh else self.scope.gateways
        matchers = self.scope.matchers
        return preset_queries(
            self.provider,
            arms,
            seconds=range_s,
            latency=latency,
            gateways=named,
            matchers=matchers,
            histogram=self.histogram,
            kinds=kinds,
        )

    @property
    def reader(self) -> Reader:
        """What reads their answers."""
        return reader_of(self.provider, self.histogram)

    def targets(self, arms: Iterable[Arm]) -> str:
        """Write the question when what is scraped for these revisions was scraped last.

        Its answer is a value that is evaluated: its time is the source's clock.
        """
        return newest_scrape(*self._scraped(arms))

    def scrapes(self, arms: Iterable[Arm]) -> str:
        """Write the question how often that was scraped in `COUNTED_SECONDS`."""
        return scrapes_within(*self._scraped(arms), seconds=COUNTED_SECONDS)

    def _scraped(self, arms: Iterable[Arm]) -> tuple[str, ...]:
        if self.scope.targets:
            return (self.scope.targets,)
        if self.provider.is_servers_own or self.provider is Provider.SIDECAR:
            return pods_scraped(arms, self.scope.matchers)
        return gateways_scraped(self.scope.gateways, self.scope.matchers)


@lru_cache(maxsize=8192)
def shown_query(group: Group, arm: Arm, window: float, *, latency: bool) -> str:
    """Write the questions about one revision as people are shown them."""
    return " ; ".join(group.queries([arm], window, latency=latency))


@dataclass(frozen=True)
class SharedQuery:
    """One query, the revisions that it is about, and how many scrapes it reaches back."""

    arms: tuple[Arm, ...]
    query: str
    scrapes: float

    @property
    def is_of_the_past(self) -> bool:
        """Whether its answer is long, and there may be many like it."""
        return self.scrapes > PAST_SCRAPES


def questions(
    group: Group,
    kind: SeriesKind,
    known: Mapping[Arm, float | None],
    reach: float,
    now: float,
    *,
    scraped: float | None = None,
) -> Iterator[SharedQuery]:
    """Ask revisions together whose samples are `known` up to the same time; None where nothing is.

    `scraped` is how often samples come (s), None where nobody knows.
    """
    alike: dict[float, list[Arm]] = {}
    for arm, until in known.items():
        gap = reach if until is None else min(now - until + SLACK, reach)
        alike.setdefault(gap + group.interval, []).append(arm)
    kinds, latency = frozenset({kind}), kind is SeriesKind.HISTOGRAMS
    for range_s, members in alike.items():
        scrapes = range_s / (scraped or SHORTEST_SCRAPED)
        for chunk in _chunks(in_order(members), SCRAPES_AT_ONCE[kind] / scrapes):
            for query in group.queries(chunk, range_s, latency=latency, kinds=kinds):
                yield SharedQuery(chunk, query, scrapes)


def reads_histogram(watch: Watch) -> bool:
    """Whether any preset of a rollout is a quantile of a time."""
    return any(metric.is_latency for metric in watch.presets)


def _chunks(arms: Sequence[Arm], most: float) -> Iterator[tuple[Arm, ...]]:
    """Put so many together, two at least: both revisions of a rollout stand side by side."""
    size = min(SERVICES_PER_QUERY, max(2, int(most) // 2 * 2))
    for start in range(0, len(arms), size):
        yield tuple(arms[start : start + size])
