"""What the demo's requests came back with: by whom they were answered, and which failed for whose fault."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

BAD = "feature store: no such column"
"""The words with which examples/demo/v3.yaml fails: only that model says them."""
RECENT_SECONDS = 5
KEPT_FAILURES = 5


def wall() -> float:
    """Read the clock that statuses are stamped with: the first bad answer is held against the Rollout's own time."""
    return time.time()  # noqa: TID251 - the operator's clock is an argument, the demo has only real time


@dataclass(frozen=True)
class Answer:
    """What came of one request: a version answered, the bad model failed it, or something else went wrong."""

    at: float
    version: str | None = None
    error: str | None = None

    @property
    def bad(self) -> bool:
        """Tell whether the bad model itself gave this answer."""
        return self.error is not None and BAD in self.error

    @property
    def label(self) -> str:
        """Name it as people count it."""
        return "bad" if self.bad else self.version or "failed"


@dataclass
class Tally:
    """All answers of a demo, added up."""

    total: int = 0
    by_label: Counter[str] = field(default_factory=Counter)
    first_bad: float | None = None
    last_bad: float | None = None
    last_of: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _seconds: dict[int, Counter[str]] = field(default_factory=dict)

    def add(self, answer: Answer) -> None:
        """Count one answer."""
        self.total += 1
        self.by_label[answer.label] += 1
        self.last_of[answer.label] = max(answer.at, self.last_of.get(answer.label, 0.0))
        if answer.bad:
            self.first_bad = min(answer.at, self.first_bad or answer.at)
            self.last_bad = max(answer.at, self.last_bad or answer.at)
        elif answer.version is None and len(self.failures) < KEPT_FAILURES:
            self.failures.append(answer.error or "no answer")
        self._count_second(answer)

    @property
    def bad(self) -> int:
        """Count the answers that the bad model failed."""
        return self.by_label["bad"]

    @property
    def failed(self) -> int:
        """Count the requests that failed for any other reason."""
        return self.by_label["failed"]

    def recent(self, now: float) -> Mapping[str, int]:
        """Count the answers of the last few seconds."""
        since = int(now) - RECENT_SECONDS
        return sum((counted for second, counted in self._seconds.items() if second > since), Counter())

    def _count_second(self, answer: Answer) -> None:
        second = int(answer.at)
        self._seconds.setdefault(second, Counter())[answer.label] += 1
        for old in [each for each in self._seconds if each < second - 2 * RECENT_SECONDS]:
            del self._seconds[old]
