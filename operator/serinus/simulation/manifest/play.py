"""Play a manifest's policy against one scenario, in chunks whose seeds do not depend on who plays them."""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from serinus.api.status import Phase
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.sequential.state import Floats
from serinus.core.model.assessment import Reason
from serinus.core.model.rollout import RolloutState
from serinus.simulation.manifest.peers import PeerJudge, peer_stages
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.manifest.traffic import ManifestTraffic, Scenario
from serinus.simulation.manifest.walk import Outcome, Rollouts
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.gateways import CANARY, STABLE, PlayedWorld
from serinus.simulation.player.player import Player, unlogged
from serinus.simulation.player.rollouts import PlayedRollout
from serinus.simulation.player.scraped import SOURCE, ScrapedWorld, service_of

CHUNK: Final = 10
OURS: Final = "Serinus"
BEGAN: Final = 1_767_225_600.0
"""2026-01-01T00:00:00Z: the product takes a time of 0 for none."""
BEFORE_S: Final = 120.0
"""Stable has served for so long at least before anything is tried."""
SCRAPES_BEFORE: Final = 4
LONGEST_LOOKS: Final = 240
SHORTEST_S: Final = 900.0
"""How much longer than its own waits a rollout is played, unless told: so many looks, a quarter of an hour at least."""


@dataclass(frozen=True)
class Job:
    """One chunk of one cell: a policy, a scenario, and by whose rules it is judged."""

    subject: Subject
    scenario: Scenario
    runs: int
    seed: int
    chunk: int = 0
    rule: str = OURS
    promoted_after_s: float = 600.0
    longest_s: float | None = None

    @property
    def own_seed(self) -> int:
        """A seed from the scenario's own words: adding a cell moves no other."""
        scenario = self.scenario
        words = f"{scenario.label}|{scenario.noise}|{scenario.requests_per_s:g}|{self.chunk}|{self.seed}"
        return zlib.crc32(words.encode())

    @property
    def played_s(self) -> float:
        """How long a rollout is played at most."""
        return longest_s(self.subject, self.promoted_after_s) if self.longest_s is None else self.longest_s


def chunks(job: Job) -> list[Job]:
    """Split a cell."""
    whole, rest = divmod(job.runs, CHUNK)
    sizes = [CHUNK] * whole + ([rest] if rest else [])
    return [replace(job, runs=size, chunk=index) for index, size in enumerate(sizes)]


def longest_s(subject: Subject, promoted_after_s: float) -> float:
    """How long a rollout is played at most, unless told."""
    waits = sum(stage.wait_s for stage in subject.stages(promoted_after_s))
    return waits + max(LONGEST_LOOKS * subject.interval_s, SHORTEST_S)


def play(job: Job) -> Outcome:
    """Play one chunk; deterministic."""
    if job.rule != OURS:
        return _play_peer(job)
    with unlogged():
        return asyncio.run(_play_ours(job))


async def _play_ours(job: Job) -> Outcome:
    """Let the operator's own looks and decisions judge what gateways count."""
    subject = job.subject.made_up_only()
    latency = any(metric.preset == "latency" for metric in subject.policy.analysis.metrics)
    world = PlayedWorld(job.scenario, job.runs, job.own_seed, now=BEGAN, latency=latency)
    began = BEGAN + max(BEFORE_S, job.scenario.history_s, SCRAPES_BEFORE * job.scenario.scrape_s)
    world.advance(began)
    rollouts = [
        PlayedRollout(
            subject,
            _arm(CANARY, row),
            _arm(STABLE, row),
            began=began,
            alone=((BEGAN, began),),
            promoted_after_s=job.promoted_after_s,
        )
        for row in range(job.runs)
    ]
    full_s = np.full(job.runs, np.inf)

    def moved(at: float) -> None:
        for row, state in enumerate(rollout.state for rollout in rollouts):
            world.route(row, state.exposure.weight, live=not state.phase.ended)
            if state.exposure.is_full:
                full_s[row] = min(full_s[row], (state.weight_changed_at or at) - began)
        world.advance(at)

    player = Player(ScrapedWorld(world), PlayedClock(began), rollouts)
    await player.play(subject.interval_s, began + job.played_s, moved)
    moved(world.now)
    return _outcome([rollout.state for rollout in rollouts], full_s, world, began)


def _arm(arm: str, row: int) -> Arm:
    service = service_of(arm, row)
    return Arm(SOURCE, "m", service, service)


def _outcome(states: Sequence[RolloutState], full_s: Floats, world: PlayedWorld, began: float) -> Outcome:
    ends = np.array([math.inf if state.finished_at is None else state.finished_at - began for state in states])
    promoted = np.array([state.phase is Phase.SUCCEEDED for state in states])
    reverted = np.array([state.phase.ended for state in states]) & ~promoted
    records = [state.decisions[-1] if gone else None for state, gone in zip(states, reverted, strict=True)]
    return Outcome(
        reverted_s=np.where(reverted, ends, np.inf),
        by_limit=np.array([record is not None and record.reason == Reason.LIMIT_EXCEEDED for record in records]),
        full_s=full_s,
        promoted_s=np.where(promoted, ends, np.inf),
        wrong=world.excess,
        served=world.served,
        metric=np.array([(record.metric or record.reason) if record is not None else "" for record in records]),
    )


def _play_peer(job: Job) -> Outcome:
    """Let another tool's rule judge the same kind of traffic."""
    stages, judge = (
        peer_stages(job.subject.stages(job.promoted_after_s)),
        PeerJudge(job.rule, job.runs, job.scenario.scrape_s),
    )
    traffic, rollouts = ManifestTraffic(job.scenario, job.runs, job.own_seed), Rollouts(stages, job.runs)
    wrong, served = np.zeros((2, job.runs))
    for index in range(1, int(job.played_s / job.scenario.scrape_s) + 1):
        t, live = index * job.scenario.scrape_s, rollouts.live
        if not bool(live.any()):
            break
        sample = traffic.sample(t, rollouts.weight / 100.0).rows(live.astype(np.float64))
        wrong += sample.excess
        served += sample.n_c
        rollouts.settle(t, judge.reverts(t, sample, rollouts.began))
    nothing = np.zeros(job.runs, dtype=np.bool_)
    metric = np.where(np.isfinite(rollouts.reverted_s), "error-rate", "")
    return Outcome(rollouts.reverted_s, nothing, rollouts.full_s, rollouts.promoted_s, wrong, served, metric)
