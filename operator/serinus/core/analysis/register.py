"""Finds the counter behind each series of an answer, and what the series adds to it.

A counter is identified by where it lives and its own labels; who reports it, and labels that a scrape adds, make no
difference. A counter that appears on a place already scraped without it counts in full, since the first 500 creates its
series; otherwise its first sample is only a baseline. Samples of one place may have different times, so "without it"
allows for the jitter of a scrape interval unless the times prove it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from serinus.core.analysis.exposition import Labels, Meaning, Owner, Reader, own_labels
from serinus.core.analysis.places import LONGEST_INTERVAL, STALE_INTERVALS, Place, Places, Scrapes
from serinus.core.analysis.reported import LARGEST_COUNT, ReportedCounter
from serinus.core.model.answers import LabelSet, Series

JITTER: Final = 1.5
"""Scrape intervals within which samples of one place may differ: federation, collectors and managed stores give each
series a time of its own."""
Samples = list[tuple[float, float]]
_Core = tuple[Owner, Place, Labels]


@dataclass(slots=True)
class Reported:
    """One series: what it means, where it lives, its first and its newest sample, and the counter that it reports.

    `number` stands for it where it reports a counter.
    """

    labels: LabelSet
    number: int
    meaning: Meaning
    place: Place
    first: float
    last: float
    marks: Labels
    counter: ReportedCounter | None = None
    column: int = -1
    """Where its owner's ledger keeps what it adds; negative until it has added something."""


class Stretch(NamedTuple):
    """Within which time something was counted: a counter tells only that it happened between two of its samples.

    `since` is `at` after a gap so long that nobody has waited for it; `unseen_since` is the scrape before, however long
    ago.
    """

    since: float
    unseen_since: float
    at: float


class Growth(NamedTuple):
    """What samples of one series add, each within a stretch of time of its own."""

    stretches: Sequence[Stretch]
    one: Reported
    amounts: Sequence[float]


@dataclass(frozen=True)
class ReadAnswer:
    """One answer, read, and since when each place was scraped: before it, in it, and ever, by the times of scrapes."""

    series: list[tuple[Reported, Samples]]
    since_here: Mapping[tuple[Place, float], float]
    since_ever: Mapping[tuple[Place, float], float]
    first_here: Mapping[Place, float]
    began: Mapping[Place, float]


class Register:
    """All series that were ever told of, by their counters."""

    def __init__(self, read: Reader, marks: Callable[[Mapping[str, str]], Labels]) -> None:
        self._read = read
        self._marks = marks
        self._places = Places()
        self._series: dict[LabelSet, Reported] = {}
        self._numbers = itertools.count()
        self._counters: dict[_Core, dict[Labels, ReportedCounter]] = {}
        self.scrapes: dict[Place, Scrapes] = {}
        self._stretches: tuple[tuple[object, ...], list[Stretch]] = (), []
        """Those of the last series: of a place nearly all have the same times."""

    def read(self, answer: Iterable[Series], *, resets: bool = True) -> ReadAnswer:
        """Recognise the series of an answer, and note when their places were scraped.

        Without `resets` a counter that fell was not reset, and its samples are passed over.
        """
        read = [*self._recognised(answer, resets=resets)]
        # The longest series of a place tells its scrape interval: one that has just begun would tell none.
        longest_first = sorted(read, key=lambda pair: len(pair[1]), reverse=True)
        if any(one.counter is None for one, _ in read):
            return self._with_times(read, longest_first)
        place: Place | None = None
        times: list[float] = []
        for one, samples in longest_first:
            ats = [at for at, _ in samples]
            # What another series of the place has just told says nothing new, but to the one that tells the time.
            if one.place != place or ats != times or self.scrapes[place].clock == one.number:
                place, times = one.place, ats
                self._see(one, samples)
        return ReadAnswer(read, {}, {}, {}, {})

    def _with_times(
        self, read: list[tuple[Reported, Samples]], longest_first: list[tuple[Reported, Samples]]
    ) -> ReadAnswer:
        """Note since when each place was scraped, too: what is new in the answer is judged by it."""
        began = {place: scrapes.first for place, scrapes in self.scrapes.items()}
        first_here: dict[Place, float] = {}
        here: dict[tuple[Place, float], float] = {}
        ever: dict[tuple[Place, float], float] = {}
        place: Place | None = None
        times, since = list[float](), math.inf
        for one, samples in longest_first:
            ats, first = [at for at, _ in samples], samples[0][0]
            # A histogram is twenty series with the same times: all but one of them say nothing new of their place.
            if one.place == place and ats == times and one.first >= since:
                if self.scrapes[place].clock == one.number:
                    self._see(one, samples)
                continue
            place, times, since = one.place, ats, one.first
            self._see(one, samples)
            first_here[place] = min(first_here.get(place, first), first)
            for at in ats:
                moment = place, at
                here[moment] = min(here.get(moment, first), first)
                ever[moment] = min(ever.get(moment, one.first), one.first)
        return ReadAnswer(read, here, ever, first_here, began)

    def _see(self, one: Reported, samples: Samples) -> None:
        """Note when the place of a series was scraped."""
        scrapes = self.scrapes.get(one.place)
        if scrapes is None:
            first = samples[0][0]
            scrapes = self.scrapes[one.place] = Scrapes(first, first, one.number)
        for at, _ in samples:
            scrapes.seen(at, one.number)

    def grown(self, read: ReadAnswer, asked_at: Mapping[Owner, float]) -> Iterator[Growth]:
        """Take the samples of an answer; `asked_at` says since when each owner has been asked about."""
        yield from self._grown([pair for pair in read.series if pair[0].counter is not None])
        # What is new comes after what is known: a line that has ended may be one that goes on under other labels.
        new = sorted((pair for pair in read.series if pair[0].counter is None), key=lambda pair: pair[1][0][0])
        for one, samples in new:
            one.counter = self._counter(one, samples[0], read, asked_at.get(one.meaning.owner))
        yield from self._grown(new)

    def forget(self, limit: float, owners: set[Owner]) -> None:
        """Drop places that have not been scraped since a time, and owners that nobody asks about any more."""
        gone = {place for place, scrapes in self.scrapes.items() if scrapes.last < limit}
        if not gone and not owners:
            return
        for place in gone:
            del self.scrapes[place]
            self._places.forget(place)
        for labels, one in [*self._series.items()]:
            if one.place in gone or one.meaning.owner in owners:
                del self._series[labels]
        for core in [core for core in self._counters if core[0] in owners or core[1] in gone]:
            del self._counters[core]

    def _recognised(self, answer: Iterable[Series], *, resets: bool) -> Iterator[tuple[Reported, Samples]]:
        strange: list[tuple[LabelSet, Meaning, Samples]] = []
        for series in answer:
            labels = LabelSet.of(series.labels)
            known = self._series.get(labels)
            samples = _news(series, known, resets=resets)
            if not samples:
                continue
            if known is not None:
                known.last = samples[-1][0]
                yield known, samples
            elif (meaning := self._read(labels)) is not None:
                self._places.learn(labels)
                strange.append((labels, meaning, samples))
        for labels, meaning, samples in strange:
            place, first, number = self._places.place_of(labels), samples[0][0], next(self._numbers)
            one = Reported(labels, number, meaning, place, first, samples[-1][0], self._marks(labels))
            self._series[labels] = one
            yield one, samples

    def _grown(self, series: Iterable[tuple[Reported, Samples]]) -> Iterator[Growth]:
        """Take the samples counter by counter, those of all its reporters in the order of time."""
        by_counter: dict[ReportedCounter, list[tuple[Reported, Samples]]] = {}
        for one, samples in series:
            if one.counter is None:
                continue
            if one.counter.is_told_by(one.number):
                yield from self._going_on(one.counter, one, samples)
            else:
                by_counter.setdefault(one.counter, []).append((one, samples))
        for counter, told in by_counter.items():
            if len(told) == 1:
                # The first time of a series that alone reports its counter: from its second sample on it goes on.
                ((one, samples),) = told
                yield from self._taken(counter, _moments(one, samples[:1]))
                yield from self._going_on(counter, one, samples[1:])
            else:
                moments = (moment for one, samples in told for moment in _moments(one, samples))
                yield from self._taken(counter, sorted(moments, key=lambda moment: moment[0]))

    def _going_on(self, counter: ReportedCounter, one: Reported, samples: Samples) -> Iterator[Growth]:
        """Take samples of one series, all at once where they simply go on."""
        if not samples:
            return
        last, amounts = counter.at, counter.take_all(one.number, samples)
        if amounts is None or last is None:
            yield from self._taken(counter, _moments(one, samples))
        elif any(amounts):
            yield Growth(self._stretches_after(last, one.place, samples), one, amounts)

    def _taken(self, counter: ReportedCounter, moments: Iterable[tuple[float, float, Reported]]) -> Iterator[Growth]:
        """Take samples of one counter, the oldest first."""
        for at, value, one in moments:
            interval, last = self._interval(one.place), counter.at
            amount = counter.take(one.number, at, value, interval=interval)
            if amount:
                since = at - interval if last is None else last
                before = self.scrapes[one.place].before(at) if last is None else last
                stretch = Stretch(since if _is_waited_for(at - since, interval) else at, before, at)
                yield Growth((stretch,), one, (amount,))

    def _stretches_after(self, last: float, place: Place, samples: Samples) -> list[Stretch]:
        """Give the stretches between samples of a series, the first of them since its `last`."""
        ats = [at for at, _ in samples]
        asked = place, last, ats
        if self._stretches[0] != asked:
            interval, befores = self._interval(place), [last, *ats[:-1]]
            stretches = [
                Stretch(before if _is_waited_for(at - before, interval) else at, before, at)
                for before, at in zip(befores, ats, strict=True)
            ]
            self._stretches = asked, stretches
        return self._stretches[1]

    def _counter(
        self, one: Reported, sample: tuple[float, float], read: ReadAnswer, asked_at: float | None
    ) -> ReportedCounter:
        """Find the counter that a series reports, or begin one."""
        telling, describing = own_labels(one.labels)
        there = self._counters.setdefault((one.meaning.owner, one.place, telling), {})
        found = there.get(describing) or _predecessor(there, describing, sample, self._interval(one.place))
        if found is None:
            found = ReportedCounter(counts_in_full=self._is_new(one, read, asked_at))
        there[describing] = found
        return found

    def _is_new(self, one: Reported, read: ReadAnswer, asked_at: float | None) -> bool:
        """Whether its place was scraped without it, as far as this answer and earlier ones prove."""
        moment, jitter = (one.place, one.first), JITTER * self._interval(one.place)
        if read.since_here[moment] < one.first or one.first - read.first_here[one.place] > jitter:
            return True
        began = read.began.get(one.place)
        if began is None or asked_at is None or asked_at >= one.first:
            return False
        return read.since_ever[moment] < one.first or one.first - began > jitter

    def _interval(self, place: Place) -> float:
        return self.scrapes[place].interval or LONGEST_INTERVAL


def _moments(one: Reported, samples: Samples) -> list[tuple[float, float, Reported]]:
    return [(at, value, one) for at, value in samples]


def _is_waited_for(gap: float, interval: float) -> bool:
    """Whether a sample after a gap (s) tells of all of it."""
    return gap <= STALE_INTERVALS * interval


def _news(series: Series, known: Reported | None, *, resets: bool) -> Samples:
    """Give the samples that were not taken before: ranges overlap, so that no scrape is missed."""
    if known is None:
        return [one for one in series.samples if 0.0 <= one[1] <= LARGEST_COUNT]
    told, last = series.samples, known.last
    first = len(told)
    while first and told[first - 1][0] > last:
        first -= 1
    least = 0.0 if resets or known.counter is None else known.counter.value
    # Neither a stale marker nor infinity is a count.
    return [one for one in told[first:] if least <= one[1] < math.inf]


def _predecessor(
    there: Mapping[Labels, ReportedCounter], describing: Labels, sample: tuple[float, float], interval: float
) -> ReportedCounter | None:
    """Find a line that ended just before under labels that only lacked some of these, or had some more."""
    at, value = sample
    ended = [
        counter
        for labels, counter in there.items()
        if counter.at is not None
        and at - counter.at > interval / 2
        and counter.value <= value
        and (set(labels) <= set(describing) or set(describing) <= set(labels))
    ]
    return max(ended, key=lambda counter: counter.value, default=None)
