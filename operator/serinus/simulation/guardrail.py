"""The fixed limit (`core.analysis.threshold`) for R rollouts at once, as the guardrail beside the tests.

The product judges one rollout per look; here the same rule runs over arrays. A test checks that both agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from serinus.core.analysis.bursts import BROKEN, PARTS
from serinus.core.analysis.doubt import CHANCE, split_by_chance
from serinus.core.analysis.sequential.blocks import scrapes_lasting
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.simulation.window import WindowRows, quantile_of

CLOCK_S: Final = 1e-6


@dataclass(frozen=True)
class Guardrail:
    """Reverts when the canary is out of its range in more than `failure_limit` looks in a row.

    What it reads (a share of errors, a quantile of the histogram with `bounds_s`, or the number of requests) is of the
    last `window_s` of the stage, and rests on at least `min_samples` requests. Where it `excuses`, it does not fire
    while stable is out of the range too, in the window or in its newest scrape, nor for one window after that:
    while a shared outage enters or leaves the window both rates cross the limit, and whose crosses first is chance.
    Neither does it there while one short burst, or chance, explains what the canary shows.
    """

    upper: float | None = None
    min_samples: float = 20.0
    window_s: float = 60.0
    failure_limit: int = 0
    lower: float | None = None
    reads: Literal["share", "quantile", "requests"] = "share"
    quantile: float = 0.99
    bounds_s: tuple[float, ...] = ()
    excuses: bool = True

    def exceeded(self, value: Floats) -> Bools:
        """Where a value is out of the range."""
        over = np.zeros(value.shape, dtype=np.bool_)
        if self.upper is not None:
            over |= value > self.upper
        if self.lower is not None:
            over |= value < self.lower
        return over


@dataclass(frozen=True)
class Guarded:
    """What the rule says of each rollout, [R] each; `failing` is a streak that has not yet reverted."""

    unsafe: Bools
    safe: Bools
    failing: Bools


@dataclass(frozen=True)
class Counted:
    """One scrape: requests and errors of the canary and of stable, [4, R]; buckets of both, [R, 2 (J+1)]."""

    counts: Floats
    buckets: Floats | None = None


class GuardrailBank:
    """The guardrail of R rollouts."""

    def __init__(self, guardrail: Guardrail, runs: int, scrape_s: float) -> None:
        self.guardrail = guardrail
        scrapes = scrapes_lasting(guardrail.window_s, scrape_s)
        self.counts = WindowRows(scrapes, (runs, 4))
        histogram = guardrail.reads == "quantile"
        self.buckets = WindowRows(scrapes, (runs, 2 * (len(guardrail.bounds_s) + 1))) if histogram else None
        self.beyond = WindowRows(scrapes, (runs, 2))
        self.failures = np.zeros(runs)
        self.excused_until = np.full(runs, -np.inf)

    def look(self, t: float, scrape: Counted, weight: Floats, began: Bools) -> Guarded:
        """Judge one look; `weight` in per cent, `began` where a stage has: what was before is forgotten."""
        counts = self.counts.push(scrape.counts.T, began).T
        own, other = self._values(counts, scrape, began)
        self.failures[began] = 0.0
        n_c, _, n_s, _ = counts
        measured = (n_c > 0.0) & ~self._too_few(own, n_c)
        exceeded = measured & self.guardrail.exceeded(own)
        failing = exceeded & ~self._excused(t, self._over(other, n_s) | self._over_now(scrape), weight)
        doubted = self._doubted(scrape, weight, began)
        within = measured & ~exceeded
        self.failures = np.where(
            failing & (~doubted | (weight >= FULL_WEIGHT)), self.failures + 1.0, np.where(within, 0.0, self.failures)
        )
        return Guarded(failing & ~doubted & (self.failures > self.guardrail.failure_limit), within, self.failures > 0.0)

    def _doubted(self, scrape: Counted, weight: Floats, began: Bools) -> Bools:
        """Where one burst or chance explains what the canary shows; only an upper limit of requests is asked."""
        both = self.beyond.push(self._beyond(scrape), began)
        if not self.guardrail.excuses or self.guardrail.reads == "requests" or self.guardrail.upper is None:
            return np.zeros(len(both), dtype=np.bool_)
        n_c, _, n_s, _ = self.counts.total.T
        left, fell = self._without_burst(both[:, 0])
        tolerated = self.guardrail.upper if self.guardrail.reads == "share" else 1.0 - self.guardrail.quantile
        by_chance = split_by_chance((n_c, left + fell), (n_s, both[:, 1])) >= CHANCE
        doubted: Bools = (left <= tolerated * n_c) | (by_chance & (weight < FULL_WEIGHT))
        return doubted

    def _without_burst(self, beyond: Floats) -> tuple[Floats, Floats]:
        """Leave out the worst scrapes of the window; the second value is 1 where that was anything."""
        scrapes = -np.sort(-self.beyond.ring[:, :, 0], axis=0)
        seen = (self.counts.ring[:, :, 0] > 0.0).sum(axis=0)
        left_out = np.arange(len(scrapes))[:, None] < np.maximum(1, seen // PARTS)
        broken = (seen == 1) & (beyond >= BROKEN * self.counts.total[:, 0])
        burst = np.where(broken, 0.0, (scrapes * left_out).sum(axis=0))
        return beyond - burst, (burst > 0.0).astype(np.float64)

    def _beyond(self, scrape: Counted) -> Floats:
        """Count the requests beyond the limit, of the canary and of stable, [R, 2]."""
        if self.guardrail.reads != "quantile" or scrape.buckets is None or self.guardrail.upper is None:
            return scrape.counts[[1, 3]].T
        bounds = np.array((0.0, *self.guardrail.bounds_s))
        over = np.clip((bounds[1:] - self.guardrail.upper) / np.diff(bounds), 0.0, 1.0)
        slow: Floats = np.stack(np.split(scrape.buckets, 2, axis=1), axis=1) @ np.append(over, 1.0)
        return slow

    def _values(self, counts: Floats, scrape: Counted, began: Bools) -> tuple[Floats, Floats]:
        """What is held against the range, of the canary and of stable."""
        n_c, x_c, n_s, x_s = counts
        if self.guardrail.reads == "requests":
            return n_c, n_s
        if self.buckets is None or scrape.buckets is None:
            return x_c / np.maximum(n_c, 1.0), x_s / np.maximum(n_s, 1.0)
        sides = np.split(self.buckets.push(scrape.buckets, began), 2, axis=1)
        own, other = (quantile_of(side, self.guardrail.quantile, self.guardrail.bounds_s) for side in sides)
        return own, other

    def _too_few(self, own: Floats, n_c: Floats) -> Bools:
        if self.guardrail.reads == "requests":
            return own < (self.guardrail.lower or 0.0)
        return n_c < self.guardrail.min_samples

    def _over(self, value: Floats, requests: Floats) -> Bools:
        """Where stable is out of the range itself, on enough requests."""
        enough = (requests > 0.0) & (requests >= self.guardrail.min_samples)
        over: Bools = enough & self.guardrail.exceeded(value)
        return over

    def _over_now(self, scrape: Counted) -> Bools:
        """The same of its newest scrape; only an error rate is read that closely."""
        _, _, n_s, x_s = scrape.counts
        if self.guardrail.reads != "share":
            return np.zeros(n_s.shape, dtype=np.bool_)
        return self._over(x_s / np.maximum(n_s, 1.0), n_s)

    def _excused(self, t: float, over: Bools, weight: Floats) -> Bools:
        """Where the limit condemns nobody now; at full weight there is no stable version to be excused by."""
        if not self.guardrail.excuses:
            return np.zeros_like(over)
        self.excused_until = np.where(over, t + self.guardrail.window_s, self.excused_until)
        excused: Bools = (self.excused_until > t + CLOCK_S) & (weight < FULL_WEIGHT)
        return excused
