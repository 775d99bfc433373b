"""Raw counters as increments on a time line, for each revision.

Increments are taken per series (scrape target and label set) and then summed: a sum of counters falls when one pod
restarts. A new label set on a target that was seen before counts in full, since the first 500 creates its series; the
first sample of a target that is new to us is only a baseline. A label set is new when its first sample is younger than
other samples of its target in the same answer, or than an earlier answer about the same revision that lacks it.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from serinus.core.analysis.counters import CounterTracker
from serinus.core.analysis.exposition import Count, Meaning, target_of
from serinus.core.model.answers import Series

Reader = Callable[[Mapping[str, str]], Meaning | None]
Owner = tuple[str, str]
Target = tuple[str, ...]
STALE_INTERVALS = 3
LONGEST_SILENCE = 900.0
"""Seconds after which a vanished series, or a revision that nobody asks for any more, is forgotten."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One increment on the time line."""

    at: float
    count: Count
    bound_s: float
    amount: float
    half: int


@dataclass
class _Scrapes:
    first: float
    last: float
    interval: float | None = None

    def seen(self, at: float) -> None:
        if at > self.last:
            self.interval = at - self.last
            self.last = at


@dataclass(frozen=True)
class Totals:
    """Sums over a window. `slower` maps a bucket's bound in seconds to the answers that were at most that slow."""

    success: float = 0.0
    server_errors: float = 0.0
    client_errors: float = 0.0
    seconds: float = 0.0
    slower: Mapping[float, float] = field(default_factory=dict)

    @property
    def requests(self) -> float:
        return self.success + self.server_errors + self.client_errors


@dataclass(frozen=True)
class Freshness:
    """The newest sample of a revision's series, and whether it is younger than three observed scrape intervals."""

    newest: float | None
    fresh: bool


class Tallies:
    """The increments of one metrics source; `keep_s` is the longest window that is asked for."""

    def __init__(self, read: Reader, *, keep_s: float) -> None:
        self.keep_s = keep_s
        self._read = read
        self._trackers: dict[tuple[tuple[str, str], ...], tuple[CounterTracker, Meaning, Target]] = {}
        self._targets: dict[Target, _Scrapes] = {}
        self._lines: dict[Owner, deque[_Line]] = {}
        self._unsorted: set[Owner] = set()
        self._owner_targets: dict[Owner, set[Target]] = {}
        self._bounds: dict[Owner, set[float]] = {}
        self._asked_at: dict[Owner, float] = {}
        self._asked_last: dict[Owner, float] = {}

    def ingest(self, answer: Iterable[Series], asked: Iterable[Owner], now: float, *, resets: bool = True) -> None:
        """Take the raw samples of one answer about the `asked`; those that were taken before are passed over.

        Without `resets` a counter that fell was not reset: a source whose clock was set back shows its past again.
        """
        batch = [series for series in answer if series.samples]
        first_here: dict[Target, float] = {}
        for series in batch:
            target, first = target_of(series.labels), series.samples[0][0]
            first_here[target] = min(first_here.get(target, first), first)
        for series in batch:
            self._take(series, first_here, resets=resets)
        for owner in self._unsorted:
            self._lines[owner] = deque(sorted(self._lines[owner], key=lambda line: line.at))
        self._unsorted.clear()
        for owner in asked:
            self._asked_at.setdefault(owner, now)
            self._asked_last[owner] = now

    @property
    def newest(self) -> float | None:
        """The time of the newest sample of all."""
        return max((scrapes.last for scrapes in self._targets.values()), default=None)

    def knows(self, owner: Owner) -> bool:
        """Whether an answer about this revision has come before."""
        return owner in self._asked_at

    def totals(self, owner: Owner, since: float) -> Totals:
        """Sum an owner's increments that were scraped after `since`."""
        return _summed(self._recent(owner, since))

    def scrapes(self, owner: Owner, after: float, half: int | None = None) -> dict[float, Totals]:
        """Sum an owner's increments scrape by scrape, for those scraped after a time; of one half, if asked.

        The halves are by a digest of the target's name: an A/A comparison needs the same halves at every look.
        """
        by_time: dict[float, list[_Line]] = {}
        for line in self._recent(owner, after):
            if half is None or line.half == half:
                by_time.setdefault(line.at, []).append(line)
        return {at: _summed(lines) for at, lines in by_time.items()}

    def horizon(self, owners: Iterable[Owner], now: float, interval: float) -> float:
        """Tell up to when all scrapes of these owners are surely here: targets are not scraped at the same moment.

        A target that is stale is not waited for.
        """
        names = {name for owner in owners for name in self._owner_targets.get(owner, ())}
        targets = [self._targets[name] for name in names if name in self._targets]
        fresh = [
            one.last for one in targets if now - one.last <= STALE_INTERVALS * max(one.interval or interval, interval)
        ]
        return min(fresh, default=now)

    def bounds(self, owner: Owner) -> set[float]:
        """Tell the upper bounds in seconds of an owner's histogram, of buckets that never grew too."""
        return self._bounds.get(owner, set())

    def halves(self, owner: Owner) -> int:
        """Tell into how many halves an owner's targets fall: 2, or 1 where there is nothing to compare."""
        return len({_half(target) for target in self._owner_targets.get(owner, ())})

    def _recent(self, owner: Owner, after: float) -> Iterator[_Line]:
        """Give an owner's increments after a time, newest first: a look reads its window, not all that is kept."""
        for line in reversed(self._lines.get(owner, ())):
            if line.at <= after:
                return
            yield line

    def freshness(self, owner: Owner, now: float, interval: float) -> Freshness:
        """Tell how old an owner's newest sample is; `interval` stands in until two scrapes were seen."""
        targets = [self._targets[name] for name in self._owner_targets.get(owner, ()) if name in self._targets]
        if not targets:
            return Freshness(None, fresh=False)
        latest = max(targets, key=lambda target: target.last)
        limit = STALE_INTERVALS * max(latest.interval or interval, interval)
        # A sample of the future is no fresh one: nobody knows what has come since.
        return Freshness(latest.last, fresh=-limit <= now - latest.last <= limit)

    def _take(self, series: Series, first_here: Mapping[Target, float], *, resets: bool) -> None:
        tracker, meaning, target = self._tracker(series, first_here)
        if meaning is None:
            return
        lines, half = self._lines.setdefault(meaning.owner, deque()), _half(target)
        for at, value in series.samples:
            if not resets and value < (tracker.value or 0.0):
                continue
            increment = tracker.update(value, at)
            if increment is None:
                continue
            self._targets.setdefault(target, _Scrapes(first=at, last=at)).seen(at)
            if increment:
                if lines and at < lines[-1].at:
                    self._unsorted.add(meaning.owner)
                lines.append(_Line(at, meaning.count, meaning.bound_s, increment * meaning.scale, half))

    def _tracker(
        self, series: Series, first_here: Mapping[Target, float]
    ) -> tuple[CounterTracker, Meaning | None, Target]:
        key = tuple(sorted(series.labels.items()))
        found = self._trackers.get(key)
        if found is not None:
            return found
        meaning, target = self._read(series.labels), target_of(series.labels)
        is_new = meaning is not None and self._is_new(series.samples[0][0], meaning.owner, target, first_here)
        tracker = CounterTracker(key, baseline_first=not is_new)
        if meaning is not None:
            self._trackers[key] = (tracker, meaning, target)
            self._owner_targets.setdefault(meaning.owner, set()).add(target)
            if meaning.count is Count.SLOWER:
                self._bounds.setdefault(meaning.owner, set()).add(meaning.bound_s)
        return tracker, meaning, target

    def _is_new(self, first: float, owner: Owner, target: Target, first_here: Mapping[Target, float]) -> bool:
        if first > first_here[target]:
            return True
        known = self._targets.get(target)
        return known is not None and known.first < first and self._asked_at.get(owner, first) < first

    def forget(self, now: float) -> None:
        """Drop what is too old for any window, once a round: it walks over everything that is kept."""
        for line in self._lines.values():
            while line and line[0].at < now - self.keep_s:
                line.popleft()
        limit = now - LONGEST_SILENCE
        for key in [key for key, (tracker, _, _) in self._trackers.items() if _older(tracker, limit)]:
            del self._trackers[key]
        for target in [target for target, scrapes in self._targets.items() if scrapes.last < limit]:
            del self._targets[target]
        for owner in [owner for owner, at in self._asked_last.items() if at < limit]:
            for kept in (self._asked_at, self._asked_last, self._lines, self._owner_targets, self._bounds):
                kept.pop(owner, None)


def _half(target: Target) -> int:
    return zlib.crc32("/".join(target).encode()) % 2


def _summed(lines: Iterable[_Line]) -> Totals:
    sums = dict.fromkeys(Count, 0.0)
    slower: dict[float, float] = {}
    for line in lines:
        if line.count is Count.SLOWER:
            slower[line.bound_s] = slower.get(line.bound_s, 0.0) + line.amount
        else:
            sums[line.count] += line.amount
    return Totals(
        success=sums[Count.SUCCESS],
        server_errors=sums[Count.SERVER_ERROR],
        client_errors=sums[Count.CLIENT_ERROR],
        seconds=sums[Count.SECONDS],
        slower=slower,
    )


def _older(tracker: CounterTracker, limit: float) -> bool:
    return tracker.last_timestamp_s is not None and tracker.last_timestamp_s < limit
