"""Raw counters as increments over time, for each revision.

Increments are taken counter by counter (`register`) and then summed: a sum of counters falls when one pod restarts.
Series that no configured gateway reports, and series of several clusters at once, are reported and not summed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from serinus.core.analysis.admission import Admission
from serinus.core.analysis.clusters import Clusters, Several
from serinus.core.analysis.exposition import Count, Owner, Reader
from serinus.core.analysis.ledger import Ledger
from serinus.core.analysis.lines import NO_CELLS, Cells, Row, Totals, points
from serinus.core.analysis.places import LONGEST_INTERVAL, STALE_INTERVALS, Place, Scrapes, half_of
from serinus.core.analysis.register import Growth, Register, Reported, Samples, Stretch
from serinus.core.analysis.scope import Scope
from serinus.core.model.answers import Series

ALWAYS = -math.inf
LONGEST_SILENCE = 900.0
"""Seconds after which a vanished place, or a revision that nobody asks for any more, is forgotten."""
UNASKED_S = 60.0
"""Where revisions come and go, one that nobody asks for any more is forgotten after so long: it takes over 100 KiB."""
UNASKED_LOOKS = 3
"""Or after so many looks, where one is longer in coming."""
TIDIED_EVERY = 30.0
"""Seconds between two walks over all that is known."""


@dataclass(frozen=True)
class LastSample:
    """The newest sample of a revision's series, and whether it is younger than three observed scrape intervals."""

    newest: float | None
    fresh: bool


def unasked_for(interval: float) -> float:
    """Tell after how many seconds what is looked at each `interval` (s), and is not any more, is forgotten."""
    return max(UNASKED_S, UNASKED_LOOKS * interval)


class Tallies:
    """The increments of one metrics source; `keep_s` is the longest window that is asked for.

    A revision that nobody watches, nor has asked for in `unasked_s`, is forgotten: whoever asks again reads its samples
    again.
    """

    def __init__(
        self, read: Reader, *, keep_s: float, scope: Scope | None = None, unasked_s: float = LONGEST_SILENCE
    ) -> None:
        self.keep_s = keep_s
        self._unasked_s = unasked_s
        scope = scope or Scope()
        self._admission = Admission(read, scope)
        self._register = Register(self._admission.read, scope.marks)
        self._ledgers: dict[Owner, Ledger] = {}
        self._owner_places: dict[Owner, set[Place]] = {}
        self._bounds: dict[Owner, dict[float, float]] = {}
        self._clusters: dict[Owner, Clusters] = {}
        self._asked_at: dict[Owner, float] = {}
        self._asked_last: dict[Owner, float] = {}
        self._laid_out: dict[Owner, float] = {}
        self._slowest: tuple[float | None] | None = None
        """The scrape interval, once it was asked for: there are as many places as pods."""
        self._tidied_at = -math.inf

    def ingest(self, answer: Iterable[Series], asked: Iterable[Owner], now: float, *, resets: bool = True) -> None:
        """Take the raw samples of one answer about the `asked`; those that were taken before are passed over.

        Without `resets` a counter that fell was not reset: a source whose clock was set back shows its past again.
        """
        self._admission.now, self._slowest = now, None
        read = self._register.read(answer, resets=resets)
        self._note(read.series)
        for owner, rows in self._rows(self._register.grown(read, self._asked_at)).items():
            self._ledgers[owner].take_rows(rows)
        for owner in asked:
            self._asked_at.setdefault(owner, now)
            self._asked_last[owner] = now

    @property
    def newest(self) -> float | None:
        """The time of the newest sample of all."""
        return max((one.last for one in self._register.scrapes.values()), default=None)

    @property
    def scrape_interval(self) -> float | None:
        """How often the slowest of the places is scraped that still are; None while it is not known of any."""
        if self._slowest is None:
            alive = (self.newest or 0.0) - STALE_INTERVALS * LONGEST_INTERVAL
            scraped = (one.interval for one in self._register.scrapes.values() if one.last >= alive)
            self._slowest = (max((interval for interval in scraped if interval is not None), default=None),)
        return self._slowest[0]

    def _note(self, series: Iterable[tuple[Reported, Samples]]) -> None:
        """Note where revisions' series live, and what else they say of themselves."""
        noted: tuple[object, ...] = ()
        for one, samples in series:
            owner, first, last = one.meaning.owner, samples[0][0], samples[-1][0]
            if one.counter is None:
                self._owner_places.setdefault(owner, set()).add(one.place)
            if one.meaning.count is Count.SLOWER:
                seen = self._bounds.setdefault(owner, {})
                if seen.get(one.meaning.bound_s, ALWAYS) < last:
                    seen[one.meaning.bound_s] = last
            # The series of a revision come one after the other, nearly all with the same times.
            if (owner, one.place, one.marks, first, last) != noted:
                noted = owner, one.place, one.marks, first, last
                self._clusters.setdefault(owner, Clusters()).see(one.marks, one.place, first, last)

    def _rows(self, growths: Iterable[Growth]) -> dict[Owner, dict[Row, list[float]]]:
        """Put increments into rows of their owners' ledgers."""
        grown: dict[Owner, dict[Row, list[float]]] = {}
        known: tuple[object, object] = None, None
        rows: list[list[float]] = []
        for stretches, one, amounts in growths:
            owner, scale = one.meaning.owner, one.meaning.scale
            # The series of a revision come one after the other, nearly all with the very same stretches.
            if stretches is not known[0] or owner != known[1]:
                known = stretches, owner
                rows = self._rows_of(stretches, owner, one.place, grown.setdefault(owner, {}))
            if one.column < 0:
                one.column = self._ledgers[owner].column(one.meaning.told)
            column = one.column
            for row, amount in zip(rows, amounts, strict=True):
                if column >= len(row):
                    row.extend([0.0] * (column + 1 - len(row)))
                row[column] += amount * scale
        return grown

    def _rows_of(
        self, stretches: Sequence[Stretch], owner: Owner, place: Place, there: dict[Row, list[float]]
    ) -> list[list[float]]:
        """Give what is known of each stretch of time.

        Where cells have been handed over already, what comes late is laid behind them: it is not lost.
        """
        if owner not in self._ledgers:
            self._ledgers[owner] = Ledger()
        behind = self._laid_out.get(owner, ALWAYS)
        rows = (Row(min(at, max(since, behind)), at, unseen_since, place) for since, unseen_since, at in stretches)
        return [there.setdefault(row, []) for row in rows]

    def seen(self, owner: Owner) -> bool:
        """Whether any series of this revision has come."""
        return bool(self._owner_places.get(owner))

    def several(self, owner: Owner, since: float) -> Several | None:
        """Name the label by which a revision's series belong to several clusters, where one does."""
        clusters = self._clusters.get(owner)
        return clusters.several(since) if clusters else None

    def strangers(self, owner: Owner, since: float) -> tuple[str, ...]:
        """Name who else reports requests of a revision; theirs are not counted."""
        return self._admission.strangers(owner, since)

    def requests_and_errors(self, owner: Owner, since: float, *, wholly_after: float = ALWAYS) -> tuple[float, float]:
        """Count an owner's requests of a window, as `totals` does, and those of them that were errors of anybody's."""
        ledger = self._ledger(owner, since)
        return ledger.requests_and_errors(since, wholly_after) if ledger is not None else (0.0, 0.0)

    def totals(self, owner: Owner, since: float, *, wholly_after: float = ALWAYS) -> Totals:
        """Sum an owner's increments that were scraped after `since`, and had begun by `wholly_after` at the earliest.

        What a counter grew by across that moment is left out: which part of it came before, nobody knows.
        """
        ledger = self._ledger(owner, since)
        return ledger.totals(since, wholly_after) if ledger is not None else Totals()

    def most_errors(self, owner: Owner, after: float) -> float:
        """Tell the largest share of errors that any place has told of an owner in one scrape after a time."""
        ledger = self._ledger(owner, after)
        return ledger.most_errors(after) if ledger is not None else 0.0

    def scrapes(
        self, owner: Owner, after: float, half: int | None = None, *, wholly_after: float = ALWAYS
    ) -> dict[float, Totals]:
        """Sum an owner's increments scrape by scrape, for those scraped after a time; of one half, if asked.

        The halves are by a digest of the target's name: an A/A comparison needs the same halves at every look.
        """
        ledger = self._ledger(owner, after)
        return ledger.scrapes(after, wholly_after, half) if ledger is not None else {}

    def ends(
        self,
        canary: Owner,
        stable: Owner,
        span: tuple[float, float],
        *,
        began: float,
        wholly_after: float = ALWAYS,
    ) -> tuple[float, ...]:
        """List where the cells end in which two revisions are compared, within (after, until]."""
        after, until = span
        here, owners = self._owner_places.get(canary, set()), (canary, stable)
        own, others = set[float](), set[float]()
        for row in (row for ledger in self._known(owners, after) for row in ledger.rows(after, wholly_after)):
            (own if row.place in here else others).add(row.at)
        every = self._shortest_interval(owners)
        return points(own, others, began=began, after=after, until=until, every=every)

    def laid_out(
        self,
        owner: Owner,
        after: float,
        ends: Sequence[float],
        *,
        began: float,
        half: int | None = None,
        wholly_after: float = ALWAYS,
    ) -> Cells:
        """Sum an owner's increments cell by cell, from a time to each of `ends`; of one half, if asked.

        What happened between two samples is spread evenly between them, but not before `began`.
        """
        if not ends:
            return NO_CELLS
        self._laid_out[owner] = max(ends[-1], self._laid_out.get(owner, ends[-1]))
        ledger = self._ledger(owner, after)
        return ledger.cells(after, wholly_after, half, ends, began) if ledger is not None else NO_CELLS

    def horizon(self, owners: Iterable[Owner], now: float, interval: float) -> float:
        """Tell up to when all scrapes of these owners are surely here: targets are not scraped at the same moment.

        A target that is stale is not waited for.
        """
        # Of a target that has been scraped once nobody knows how often it is: not more seldom than the others.
        usual = max(interval, self.scrape_interval or 0.0)
        scraped = {place: one for owner in owners for place, one in self._scraped(owner)}
        limits = ((one.last, _limit(one, interval if one.interval else usual)) for one in scraped.values())
        return min((last for last, limit in limits if now - last <= limit), default=now)

    def bounds(self, owner: Owner) -> set[float]:
        """Tell the upper bounds in seconds of an owner's histogram, of buckets that never grew too.

        A bucket that only a pod had that is gone says nothing of those that are there.
        """
        seen = self._bounds.get(owner, {})
        alive = max(seen.values(), default=0.0) - STALE_INTERVALS * LONGEST_INTERVAL
        return {bound for bound, at in seen.items() if at >= alive}

    def halves(self, owner: Owner) -> int:
        """Tell into how many halves an owner's places fall: 2, or 1 where there is nothing to compare."""
        return len({half_of(place) for place in self._owner_places.get(owner, ())})

    def _shortest_interval(self, owners: Iterable[Owner]) -> float:
        """Tell how often the most diligent target of these owners is scraped; 0 while that is not known."""
        intervals = (one.interval for owner in owners for _, one in self._scraped(owner))
        return min((one for one in intervals if one is not None), default=0.0)

    def _scraped(self, owner: Owner) -> Iterator[tuple[Place, Scrapes]]:
        for place in self._owner_places.get(owner, ()):
            if place in self._register.scrapes:
                yield place, self._register.scrapes[place]

    def _known(self, owners: Iterable[Owner], after: float) -> Iterator[Ledger]:
        for owner in owners:
            if (ledger := self._ledger(owner, after)) is not None:
                yield ledger

    def _ledger(self, owner: Owner, after: float) -> Ledger | None:
        """Give an owner's increments, if they are of one cluster after a time."""
        ledger = self._ledgers.get(owner)
        return None if ledger is None or self.several(owner, after) is not None else ledger

    def freshness(self, owner: Owner, now: float, interval: float) -> LastSample:
        """Tell how old an owner's newest sample is; `interval` stands in until two scrapes were seen."""
        scraped = [one for _, one in self._scraped(owner)]
        if not scraped:
            return LastSample(None, fresh=False)
        latest = max(scraped, key=lambda one: one.last)
        limit, age = _limit(latest, interval), now - latest.last
        # A sample of the future is no fresh one: nobody knows what has come since.
        return LastSample(latest.last, fresh=-limit <= age <= limit)

    def forget(self, now: float, watched: Iterable[Owner] = ()) -> None:
        """Drop what is too old for any window, once a round: it walks over everything that is kept.

        Who is `watched` is not dropped, however long ago it was asked about.
        """
        for ledger in self._ledgers.values():
            ledger.forget(now - self.keep_s)
        if abs(now - self._tidied_at) >= TIDIED_EVERY:
            self._tidied_at, self._slowest = now, None
            self._forget_silent(now - LONGEST_SILENCE, now - self._unasked_s, {*watched})

    def _forget_silent(self, limit: float, asked_since: float, watched: Collection[Owner]) -> None:
        """Drop places and names of which nothing has been heard since, and revisions that nobody has asked for."""
        gone = {owner for owner, at in self._asked_last.items() if at < asked_since and owner not in watched}
        self._register.forget(limit, gone)
        self._admission.forget(limit, gone)
        for owner in gone:
            for kept in (
                self._asked_at,
                self._asked_last,
                self._ledgers,
                self._owner_places,
                self._bounds,
                self._laid_out,
            ):
                kept.pop(owner, None)
            self._clusters.pop(owner, None)
        for clusters in self._clusters.values():
            clusters.forget(limit)


def _limit(scrapes: Scrapes, interval: float) -> float:
    """Tell how old a fresh sample may be; an interval stands in until one was observed."""
    return STALE_INTERVALS * max(scrapes.interval or interval, interval)
