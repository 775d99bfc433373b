"""What the gateways report of requests since a write of the route, at a rollout's revisions and at one that is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FOLLOWS_SECONDS: Final = 2.0
"""A write of the route is given so long to reach the gateways before what they report is held against it. It takes a
tenth of that (measured); where it takes longer, what is reported next says so."""


@dataclass(frozen=True)
class Arrivals:
    """The requests of a canary and of stable that were counted within (since, until], none of them across its edges."""

    since: float
    until: float
    canary: float
    stable: float


@dataclass(frozen=True)
class Drain:
    """A revision that the route shows nothing any more. `counted` says whether anything counts its requests.

    It is `proven` when a scrape that came after the write has shown that none arrives; `arriving` are those that came
    all the same, in the newest scrapes; `growing` says that answers come, which may be to requests from before it.
    `in_flight` are requests and streams that are open, `streams` says whether some
    of them are gRPC streams that answer messages. `quiet_since` is when this process first saw that nothing arrives.
    """

    counted: bool = False
    proven: bool = False
    arriving: float = 0.0
    growing: bool = False
    in_flight: float = 0.0
    streams: bool = False
    quiet_since: float = 0.0

    @property
    def quiet(self) -> bool:
        """Whether, as far as anybody counts, no request arrives."""
        return self.proven or not self.counted


UNCOUNTED: Final = Drain()
"""Nobody counts its requests, or nobody answers: where nothing was heard before, the drain delay alone decides."""
