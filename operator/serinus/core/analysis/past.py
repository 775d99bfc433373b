"""Stable's own past, before the rollout: from raw series to what they teach the test of its noise.

It is read stretch by stretch, from the newest to the oldest, by the same code as the looks, so that what is an error or
a bucket there is one here. A stretch is summed over the cells of the test's grid, learnt, and dropped.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from serinus.api.policy import Analysis, Metric
from serinus.api.status import Verdict
from serinus.core.analysis.comparison_metrics import Stream, news_seconds, streams_of
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.sequential.blocks import SHORTEST_BLOCK_S
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.observations import HistogramObservation, ShareObservation
from serinus.core.analysis.sequential.state import Floats
from serinus.core.analysis.tally import Tallies
from serinus.core.model.assessment import Look, Missing, Observation, Reason
from serinus.core.model.past import SHORTEST_PAST_S, Past

LEARNT_AT_ONCE_S: Final = 3600.0
"""Wander shows over a quarter of an hour: shorter stretches are joined before they are learnt."""
FEWEST_EVENTS: Final = 3.0
"""Fewer failures in a cell may be chance at any limit."""
_NO_READING: Final = Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "not asked")


@dataclass(frozen=True)
class CountedMetric:
    """Where the increments of one metric are, and whose they are."""

    metric: Metric
    tallies: Tallies
    owner: Owner


@dataclass
class _Cells:
    """A stream's cells that were read and not learnt yet, the newest stretch first."""

    lesson: Lesson
    limit: float | None
    whole: list[Floats] = field(default_factory=list)
    halves: list[tuple[Floats, Floats] | None] = field(default_factory=list)


class PastReader:
    """Learns stable's past under a policy; `scrape_interval` (s) is how often is scraped."""

    def __init__(self, policy: Analysis, scrape_interval: float) -> None:
        self.cell_s = max(SHORTEST_BLOCK_S, news_seconds(policy, scrape_interval))
        self.seconds = 0.0
        self.by_pod = False
        self._policy = policy
        self._streams: dict[str, _Cells] = {}
        self._outages: dict[str, float] = {}
        self._waiting_s = 0.0
        self._oldest: float | None = None

    def read(self, counted: Sequence[CountedMetric], span: tuple[float, float]) -> bool:
        """Take one stretch, older than all before, as (after, until] in seconds; False if nobody was counted."""
        if self._oldest is not None and span[1] < self._oldest:
            self._learn()
        observations = {one.metric.name: _observed(one, span) for one in counted}
        streams = streams_of(Look(span[1], observations), self._policy).known
        served = [self._take(stream, span) for stream in streams if stream.observations]
        self._oldest = span[0]
        self.seconds += max(served, default=0.0)
        self._waiting_s += span[1] - span[0]
        if self._waiting_s >= LEARNT_AT_ONCE_S:
            self._learn()
        return bool(served)

    def _take(self, stream: Stream, span: tuple[float, float]) -> float:
        """Lay one stream's increments into cells, and tell for how long it had requests (s)."""
        if stream.config.kind not in {"share", "latency"}:
            return 0.0
        bounds = stream.config.bounds_s
        kept = self._streams.setdefault(stream.name, _Cells(Lesson(bounds, self.cell_s), stream.config.limit))
        if kept.lesson.bounds_s != bounds:
            # Older buckets are others: what they counted cannot be told in the newer ones.
            return 0.0
        whole, *halves = _laid_out(stream.observations, span, self.cell_s, kept.lesson.counts.size)
        kept.whole.append(whole)
        kept.halves.append((halves[0], halves[1]) if any(part.any() for part in halves) else None)
        requests = whole[:, 0] if stream.config.kind == "share" else whole.sum(axis=1)
        return self.cell_s * float(np.count_nonzero(requests))

    def _learn(self) -> None:
        """Learn what was read and joined, and drop it."""
        for name, kept in self._streams.items():
            if not kept.whole:
                continue
            whole, halves = _joined(kept.whole), None
            if all(half is not None for half in kept.halves):
                pairs = [half for half in kept.halves if half is not None]
                halves = _joined([first for first, _ in pairs]), _joined([second for _, second in pairs])
                self.by_pod = True
            kept.lesson.take(whole, halves)
            if kept.limit is not None:
                longest = self.cell_s * longest_over(whole[:, 0], whole[:, 1], kept.limit)
                self._outages[name] = max(self._outages.get(name, 0.0), longest)
            kept.whole, kept.halves = [], []
        self._waiting_s = 0.0

    def past(self, version: str, problem: str = "") -> Past:
        """Say what the past has taught; `problem` is why there was no more of it."""
        self._learn()
        lessons = {name: kept.lesson for name, kept in self._streams.items()}
        for lesson in lessons.values():
            lesson.shorten()
        known = {name: lesson for name, lesson in lessons.items() if lesson.known and self.seconds >= SHORTEST_PAST_S}
        return Past(
            version=version,
            seconds=self.seconds,
            by_pod=self.by_pod,
            problem=problem,
            learnt=bool(known),
            scant={name: lesson.events for name, lesson in lessons.items() if not lesson.known},
            outages=dict(self._outages),
            lessons=known,
        )


def longest_over(requests: Floats, events: Floats, limit: float) -> int:
    """Count the cells of the longest stretch in which the rate was over a limit, by no single answer."""
    longest = run = 0
    for over in ((events > limit * requests) & (events >= FEWEST_EVENTS)).tolist():
        run = run + 1 if over else 0
        longest = max(longest, run)
    return longest


def _observed(one: CountedMetric, span: tuple[float, float]) -> Observation:
    increments, bounds = preset_increments(one.metric, one.tallies, one.owner, one.owner, span)
    return Observation(_NO_READING, None, "", increments, bounds)


def _laid_out(observations: Mapping[float, object], span: tuple[float, float], cell_s: float, width: int) -> Floats:
    """Sum observations over cells: [3, T, width] of stable and of its halves, the oldest first.

    Cells are counted from the newest end, where the next newer stretch goes on.
    """
    cells = math.ceil((span[1] - span[0]) / cell_s - 1e-9)
    sums = np.zeros((3, cells, width))
    for at, seen in observations.items():
        cell = cells - 1 - min(int((span[1] - at) / cell_s), cells - 1)
        for place, arm in enumerate(_arms(seen)):
            if arm is not None:
                sums[place, cell] += arm
    return sums


def _arms(seen: object) -> tuple[Any, Any, Any]:
    assert isinstance(seen, ShareObservation | HistogramObservation)
    return seen.champion, seen.champion_a, seen.champion_b


def _joined(newest_first: Iterable[Floats]) -> Floats:
    return np.concatenate([*newest_first][::-1])
