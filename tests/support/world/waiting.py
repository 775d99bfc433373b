"""Requests that are not answered at once: by a version that hangs, or by one whose inferences are long."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

HUNG_UP = "0"
"""What Istio writes for a caller who hung up."""


@dataclass
class Waiting:
    """What waits at each revision. `callers_wait` is after how many seconds they hang up; None is never."""

    callers_wait: float | None = None
    batches: dict[str, deque[tuple[float, float, str]]] = field(default_factory=dict)

    def arrive(self, revision: str, at: float, requests: float, code: str) -> None:
        self.batches.setdefault(revision, deque()).append((at, requests, code))

    def answered(self, revision: str, now: float, *, takes: float) -> list[tuple[str, float]]:
        """Take out what was answered by now, and what was given up, by code."""
        batches, done = self.batches.get(revision, deque()), []
        while batches:
            arrived, requests, code = batches[0]
            if self.callers_wait is not None and takes > self.callers_wait <= now - arrived:
                code = HUNG_UP
            elif now - arrived < takes:
                break
            batches.popleft()
            done.append((code, requests))
        return done

    def in_flight(self, revision: str) -> float:
        return sum(requests for _, requests, _ in self.batches.get(revision, ()))
