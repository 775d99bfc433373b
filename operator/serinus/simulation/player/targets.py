"""What is scraped: gateway replicas and pods, with what they have counted as of each scrape."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass
class ScrapedTarget:
    """One scrape target: answers by arm, rollout and code, [A, R, 2], and by bucket, [A, R, J+1].

    What has come since the last scrape is `pending`; a scrape shows what was counted until then.
    """

    scraped_at: float
    every: float
    counts: Counts
    buckets: Counts
    pending: Counts
    times: list[float] = field(default_factory=list)
    shown: list[tuple[Counts, Counts]] = field(default_factory=list)

    @classmethod
    def of(cls, shape: tuple[int, int, int], *, first: float, every: float) -> ScrapedTarget:
        """Begin to count: `shape` is arms, rollouts and buckets, and the first scrape comes at a time."""
        arms, rollouts, buckets = shape
        counts = np.zeros((arms, rollouts, 2), dtype=np.int64)
        return cls(first, every, counts, np.zeros((arms, rollouts, buckets), dtype=np.int64), counts.copy())

    def scrape(self, answers: Counts) -> None:
        """Show what has been counted; `answers` are those of the pending requests, by bucket."""
        self.counts += self.pending
        self.buckets += answers
        self.pending[:] = 0
        self.times.append(self.scraped_at)
        self.shown.append((self.counts.copy(), np.cumsum(self.buckets, axis=2)))
        self.scraped_at += self.every

    def within(self, since: float, until: float) -> tuple[list[float], Counts | None, Counts | None]:
        """Give the scrapes of a time, with the counts and the cumulative buckets, [T, ...] each."""
        first, last = (bisect_right(self.times, at) for at in (since, until))
        if first == last:
            return [], None, None
        counts, buckets = (np.stack(part) for part in zip(*self.shown[first:last], strict=True))
        return self.times[first:last], counts, buckets
