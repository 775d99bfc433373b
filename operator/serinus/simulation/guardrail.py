"""The literal threshold beside the tests, as a rollout applies it: a rate over a window, minimum samples, failures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serinus.core.analysis.sequential.blocks import scrapes_lasting
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.traffic import Scrape


@dataclass(frozen=True)
class Guardrail:
    """Reverts when the challenger's rate since the stage began, at most `window_s` back, is over `limit`.

    It needs `min_samples` requests and more than `failure_limit` failing looks in a row. It does not fire while the
    champion is over the limit too, in the window or in its newest scrape, nor for one window after that: while a
    shared outage enters or leaves the window both rates cross the limit, and whose crosses first is chance.
    """

    limit: float
    min_samples: float = 20.0
    window_s: float = 60.0
    failure_limit: int = 0


class GuardrailBank:
    """The guardrail of R rollouts."""

    def __init__(self, guardrail: Guardrail, runs: int, scrape_s: float) -> None:
        self.guardrail = guardrail
        self.ring = np.zeros((scrapes_lasting(guardrail.window_s, scrape_s), 4, runs))
        self.place = 0
        self.failures = np.zeros(runs)
        self.excused = np.zeros(runs)

    def observe(self, scrape: Scrape, stage_started: Bools) -> tuple[Bools, Bools]:
        """(where it reverts, where champion is over the limit too), [R] each."""
        requests, events = scrape.requests, scrape.events
        champion = requests[1:].sum(axis=0), events[1:].sum(axis=0)
        self.ring[:, :, stage_started] = 0.0
        self.failures[stage_started] = 0.0
        self.ring[self.place] = np.stack((requests[0], events[0], *champion))
        self.place = (self.place + 1) % len(self.ring)
        n_c, x_c, n_s, x_s = self.ring.sum(axis=0)
        failing = self._over(n_c, x_c)
        now = self._over(n_s, x_s) | self._over(*champion)
        self.excused = np.where(now, float(len(self.ring)), np.maximum(self.excused - 1.0, 0.0))
        shared: Bools = self.excused > 0.0
        self.failures = np.where(failing & ~shared, self.failures + 1.0, 0.0)
        return self.failures > self.guardrail.failure_limit, shared

    def _over(self, requests: Floats, events: Floats) -> Bools:
        over: Bools = (requests >= self.guardrail.min_samples) & (events > self.guardrail.limit * requests)
        return over
