"""Play a manifest's policy against one scenario, in chunks whose seeds do not depend on who plays them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.simulation.manifest.peers import PeerJudge, peer_stages
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.manifest.traffic import ManifestTraffic, Scenario
from serinus.simulation.manifest.walk import Judged, Judges, Outcome, Rollouts

CHUNK: Final = 250
OURS: Final = "Serinus"
LONGEST_SCRAPES: Final = 4320
"""How much longer than its own waits a rollout is played: six hours at an interval of five seconds."""


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

    @property
    def own_seed(self) -> int:
        """A seed from the scenario's own words: all rules see the same traffic, and adding a cell moves no other."""
        scenario = self.scenario
        words = f"{scenario.label}|{scenario.noise}|{scenario.requests_per_s:g}|{self.chunk}|{self.seed}"
        return zlib.crc32(words.encode())


def chunks(job: Job) -> list[Job]:
    """Split a cell."""
    whole, rest = divmod(job.runs, CHUNK)
    sizes = [CHUNK] * whole + ([rest] if rest else [])
    return [
        Job(job.subject, job.scenario, size, job.seed, index, job.rule, job.promoted_after_s)
        for index, size in enumerate(sizes)
    ]


def longest_s(subject: Subject, promoted_after_s: float) -> float:
    """How long a rollout is played at most."""
    waits = sum(stage.wait_s for stage in subject.stages(promoted_after_s))
    return waits + LONGEST_SCRAPES * subject.interval_s


def play(job: Job) -> Outcome:
    """Play one chunk; deterministic."""
    stages = job.subject.stages(job.promoted_after_s)
    judge: Judges | PeerJudge = Judges(job.subject, job.runs)
    if job.rule != OURS:
        stages, judge = peer_stages(stages), PeerJudge(job.rule, job.runs, job.scenario.scrape_s)
    latency = any(metric.kind == "latency" for metric in job.subject.monitor().metrics)
    traffic = ManifestTraffic(job.scenario, job.runs, job.own_seed, latency=latency)
    return _play(job, Rollouts(stages, job.runs), judge, traffic)


def _play(job: Job, rollouts: Rollouts, judge: Judges | PeerJudge, traffic: ManifestTraffic) -> Outcome:
    wrong, served = np.zeros((2, job.runs))
    by_limit = np.zeros(job.runs, dtype=np.bool_)
    for index in range(1, int(longest_s(job.subject, job.promoted_after_s) / job.scenario.scrape_s) + 1):
        t, standing, live = index * job.scenario.scrape_s, rollouts.standing, rollouts.live
        if not bool(live.any()):
            break
        sample = traffic.sample(t, standing.weight / 100.0).rows(live.astype(np.float64))
        wrong += sample.excess
        served += sample.n_c
        judged = judge.look(t, sample, standing, rollouts.began)
        by_limit |= live & judged.unsafe & judged.by_limit
        _settle(rollouts, t, judged)
    return Outcome(rollouts.reverted_s, by_limit, rollouts.full_s, rollouts.promoted_s, wrong, served)


def _settle(rollouts: Rollouts, t: float, judged: Judged) -> None:
    rollouts.settle(t, unsafe=judged.unsafe, safe=judged.safe, held_in_guard=judged.held_in_guard)
