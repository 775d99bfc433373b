"""Rollouts of one policy side by side: looks by the operator's sampler, passes by its walk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog

from serinus.core.analysis.scope import EVERYBODY, Scope
from serinus.core.model.assessment import Look
from serinus.core.model.identity import Key
from serinus.runtime.ports import Metrics
from serinus.runtime.sampler import Sampler
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.rollouts import PlayedRollout

Moved = Callable[[float], None]
"""Told of each time before anything is asked at it, so that the world can follow."""


class Player:
    """Plays rollouts until they have ended, or time is up."""

    def __init__(
        self, metrics: Metrics, clock: PlayedClock, rollouts: Sequence[PlayedRollout], scope: Scope = EVERYBODY
    ) -> None:
        self.clock = clock
        self.live = list(rollouts)
        self.sampler = sampler_of(metrics, clock, scope)
        self._wakes: dict[Key, float] = {}

    async def play(self, interval_s: float, until: float, moved: Moved) -> None:
        """Look every interval, and make a pass after each look and at the end of each wait."""
        look_at = self.clock.now()
        for rollout in self.live:
            self.sampler.watch(rollout.watch)
        while self.live and (next_at := min([look_at, *self._wakes.values()])) <= until:
            self.clock.seconds = next_at
            moved(self.clock.seconds)
            looks = self.clock.seconds >= look_at
            if looks:
                await self.sampler.take_looks(interval_s)
                await self.sampler.settle()
                look_at += interval_s
            for rollout in list(self.live):
                if looks or self._wakes.get(rollout.key, look_at) <= self.clock.seconds:
                    self._pass(rollout)
        await self.sampler.close()

    def _pass(self, rollout: PlayedRollout) -> None:
        now, look = self.clock.seconds, self.look(rollout)
        rollout.go_on(look, now)
        if rollout.state.phase.ended:
            self.live.remove(rollout)
            self.sampler.forget(rollout.key)
            self._wakes.pop(rollout.key, None)
            return
        self.sampler.watch(rollout.watch)
        self._wakes[rollout.key] = rollout.wakes_at(look, now) or float("inf")

    def look(self, rollout: PlayedRollout) -> Look | None:
        """Give the newest look at a rollout."""
        return self.sampler.look(rollout.key, rollout.plan.uid)


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep the operator's log lines to itself: what is played has not happened, and the output is the answer's."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def sampler_of(metrics: Metrics, clock: PlayedClock, scope: Scope) -> Sampler:
    """Give the operator's sampler, which looks when it is told."""
    sampler = Sampler(metrics, clock, wake=_nobody, scopes=dict.fromkeys(metrics.names(), scope))
    sampler.autostart = False
    return sampler


def _nobody(key: Key) -> None:
    """Wake nobody: the player passes by all after each look."""
    del key
