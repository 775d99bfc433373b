"""Says what a soak has shown: rounds, requests by what became of them, and of each lost one what happened around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from benchmarks.soak.happenings import Happenings
from benchmarks.soak.ledger import SLOW_SECONDS, Fate, Kind, Ledger, Outcome
from benchmarks.soak.rounds import Round

AROUND_SECONDS = 2.0
LISTED = 40


@dataclass
class Soaked:
    """All that was seen on one routing API."""

    routing: str
    ledger: Ledger
    happenings: Happenings
    done: Counter[Round] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    streams: int = 0
    gateway: Counter[str] = field(default_factory=Counter)

    @property
    def lost(self) -> list[Outcome]:
        """List the requests that were lost."""
        return self.ledger.lost(self.happenings.is_going)

    def numbers(self) -> dict[str, Any]:
        """Give the figures."""
        fates = self.ledger.by_fate(self.happenings.is_going)
        return {
            "rounds": {str(one): self.done[one] for one in Round},
            "surprises": self.surprises,
            "minutes": round(self.seconds / 60, 1),
            "requests": self.ledger.total,
            "requests_per_second": round(self.ledger.total / max(self.seconds, 1.0), 1),
            "not_sent": self.ledger.unsent,
            "slow": {str(kind): number for kind, number in Counter(one.kind for one in self.ledger.slow).items()},
            "slowest_seconds": round(self.ledger.slowest, 2),
            "stalls": len(self.ledger.stalls),
            "longest_stall_seconds": round(max((one.seconds for one in self.ledger.stalls), default=0.0), 2),
            "streams_opened": self.streams,
            "load_cpu_cores": round(self.cpu_seconds / max(self.seconds, 1.0), 2),
            "gateway": dict(self.gateway),
            "lost": list(self._stories()),
            "fates": {str(fate): {str(kind): fates[fate][kind] for kind in Kind} for fate in Fate},
        }

    def lines(self) -> Iterator[str]:
        """Say it to people."""
        numbers = self.numbers()
        yield f"{self.routing}: " + ", ".join(f"{number} {what}" for what, number in numbers["rounds"].items())
        rate, unsent = numbers["requests_per_second"], numbers["not_sent"]
        yield f"  {numbers['minutes']} minutes, {numbers['requests']} requests, {rate} a second, {unsent} not sent"
        yield (
            f"  {len(self.ledger.slow)} answers took over {SLOW_SECONDS:g} s, {numbers['slowest_seconds']} s at most; "
            f"{numbers['streams_opened']} streams opened; "
            f"the load took {numbers['load_cpu_cores']} cores and had none {numbers['stalls']} times, "
            f"for {numbers['longest_stall_seconds']} s at most"
        )
        for fate, by_kind in numbers["fates"].items():
            yield f"  {fate}: {sum(by_kind.values())}  " + ", ".join(f"{kind} {n}" for kind, n in by_kind.items() if n)
        yield f"  at the gateway: {self.gateway['upstream_rq_retry']} retries; " + (
            ", ".join(f"{name} {n}" for name, n in self.gateway.items() if n) or "nothing failed"
        )
        yield from (f"  did not end well: {text}" for text in self.surprises)
        yield from self._stories()

    def _stories(self) -> Iterator[str]:
        """Tell of the lost ones; those of a second that were lost in the same way are told of once."""
        alike = groupby(self.lost, key=lambda one: (int(one.at), one.model, one.kind, one.error))
        told = [list(same) for _, same in alike]
        for same in told[:LISTED]:
            yield from self._story(same[0], len(same))
        if len(told) > LISTED:
            yield f"  … and {sum(map(len, told[LISTED:]))} more"

    def _story(self, outcome: Outcome, number: int) -> Iterator[str]:
        """Tell what the model of lost requests went through at that time."""
        where = f"{outcome.model} ({outcome.revision or 'no revision answered'})"
        many = f"LOST {number} x" if number > 1 else "LOST"
        yield f"  {many} {_clock(outcome.at)} after {outcome.seconds:.2f} s, {outcome.kind}, {where}: {outcome.error}"
        began = outcome.at - outcome.seconds
        for stall in self.ledger.stalls:
            if began <= stall.until and stall.until - stall.seconds <= outcome.at:
                yield f"    {stall.until - outcome.at:+.2f} s the load had no CPU for {stall.seconds:.2f} s"
        for one in self.happenings.told:
            if one.model == outcome.model and began - AROUND_SECONDS <= one.at <= outcome.at + AROUND_SECONDS:
                yield f"    {one.at - outcome.at:+.2f} s {one.text}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]
