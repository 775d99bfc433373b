"""What is known of a canary that gives no answer: for how long, and whether anybody asked it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Silence:
    """The time since a canary's last answer, or since its stage began; times as the scrapes have them.

    `rate` is both revisions' answers a second before that. `entered` counts the requests that were seen to go in since
    then, `in_flight` those that wait for an answer now; None where the source counts no such thing. `slowest` is how
    long the slowest answers took: infinite beyond the highest bucket, None where no series says it. `pods_silent` says
    that its pods answered the sample request once and do not answer it now.
    """

    since: float
    until: float
    rate: float = 0.0
    entered: float | None = None
    in_flight: float | None = None
    most_in_flight: float = 0.0
    stable_answers: float = 0.0
    stable_answered_at: float | None = None
    stable_in_flight: float | None = None
    slowest: float | None = None
    pods_silent: bool = False

    @property
    def lasted(self) -> float:
        """Seconds without an answer."""
        return max(0.0, self.until - self.since)
