"""What became of each request: answered, failed by the bad model, ended with its pod as documented, or lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from serinus_local.demo.answers import BAD


class Kind(StrEnum):
    """How a request was sent."""

    KEPT = "HTTP, kept connections"
    FRESH = "HTTP, a connection each"
    UNARY = "gRPC"
    STREAM = "gRPC, messages on streams"


class Fate(StrEnum):
    """What became of a request."""

    ANSWERED = "answered"
    BAD = "failed by the bad model"
    TAKEN_DOWN = "ended with the stream's pod"
    LOST = "lost"


@dataclass(frozen=True)
class Outcome:
    """The end of one request, at a wall time and after so many seconds; without an error it was answered.

    `revision` is what the answer said, None when there was none. `pod` is the one that had answered on this stream
    before; a message that begins a stream has none, and neither has a request of another kind.
    """

    at: float
    seconds: float
    kind: Kind
    model: str
    revision: str | None = None
    error: str | None = None
    pod: str | None = None


@dataclass(frozen=True)
class Stall:
    """The load itself had no CPU for so many seconds, until this wall time: nothing that it times is true then."""

    until: float
    seconds: float


IsGoing = Callable[[str, float], bool]
"""Whether this pod was going away, or gone, at this time."""
NO_ANSWER = "no answer on the stream"


SLOW_SECONDS = 1.0


@dataclass
class Ledger:
    """All requests of one soak. Only what failed or was slow is kept whole."""

    answered: Counter[Kind] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)
    stalls: list[Stall] = field(default_factory=list)
    slow: list[Outcome] = field(default_factory=list)
    slowest: float = 0.0
    unsent: int = 0
    """Requests that were due while too many were under way: then the rate was not what was asked for."""

    def add(self, outcome: Outcome) -> None:
        """Count one request."""
        if outcome.error is None:
            self.answered[outcome.kind] += 1
            self.slowest = max(self.slowest, outcome.seconds)
            if outcome.seconds > SLOW_SECONDS:
                self.slow.append(outcome)
        else:
            self.failed.append(outcome)

    @property
    def total(self) -> int:
        """Count the requests that were sent."""
        return self.answered.total() + len(self.failed)

    def by_fate(self, is_going: IsGoing) -> dict[Fate, Counter[Kind]]:
        """Count requests by what became of them."""
        counted = {fate: Counter[Kind]() for fate in Fate}
        counted[Fate.ANSWERED] += self.answered
        for outcome in self.failed:
            counted[fate_of(outcome, is_going)][outcome.kind] += 1
        return counted

    def lost(self, is_going: IsGoing) -> list[Outcome]:
        """List what was lost, second by second; within one, what is alike stands together."""
        return sorted(
            _lost(self.failed, is_going), key=lambda one: (int(one.at), one.model, one.kind, one.error, one.at)
        )


def fate_of(outcome: Outcome, is_going: IsGoing) -> Fate:
    """Tell what became of a request.

    The bad model's own words excuse a failure, and nothing else that it may come with. A stream ends with its pod, and
    Triton answers its last messages with an error: docs/operations.md says so. Neither another kind nor a stream that
    had no answer yet is excused, and silence never is: a stream whose pod is gone must be ended.
    """
    if outcome.error is None:
        return Fate.ANSWERED
    if BAD in outcome.error:
        return Fate.BAD
    if outcome.pod is not None and NO_ANSWER not in outcome.error and is_going(outcome.pod, outcome.at):
        return Fate.TAKEN_DOWN
    return Fate.LOST


def _lost(failed: Iterable[Outcome], is_going: IsGoing) -> list[Outcome]:
    return [outcome for outcome in failed if fate_of(outcome, is_going) is Fate.LOST]
