"""The closed loop: the verdict moves the weight until promoted, reverted or out of time, at either pace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from serinus.core.analysis.sequential.evidence import SUSPICIOUS_E
from serinus.core.analysis.sequential.promotion import StageCounts, excess_upper
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.guardrail import Counted, Guardrail, GuardrailBank
from serinus.simulation.judge import ErrorJudge, Judgement
from serinus.simulation.traffic import ErrorWorkload, TrafficSource


@dataclass(frozen=True)
class LoopPolicy:
    """Weights (0..1) of the stages before 100 %, and what a promotion asks for.

    With pace "timed" a stage lasts as long as its entry of `pauses_s` and the risk budget is not asked; with "evidence"
    it lasts `min_dwell_s` at least. `guardrail` is the literal threshold beside the tests.
    """

    weights: tuple[float, ...] = (0.01, 0.05, 0.25, 0.5)
    risk_budget: float = 0.005
    beta: float = 0.05
    min_dwell_s: float = 60.0
    min_requests: float = 50.0
    longest_s: float = 6 * 3600.0
    pace: Literal["evidence", "timed"] = "evidence"
    pauses_s: tuple[float, ...] = ()
    guardrail: Guardrail | None = None

    @property
    def dwell_s(self) -> Floats:
        """Shortest time in each stage."""
        if self.pace == "timed" and len(self.pauses_s) != len(self.weights):
            raise ValueError("pace timed needs one pause for every weight")
        return np.array(self.pauses_s if self.pace == "timed" else [self.min_dwell_s] * len(self.weights))


@dataclass(frozen=True)
class LoopResult:
    """Per rollout: promoted, reverted (neither: held to the end), seconds to the verdict, excess wrong answers, [R]."""

    promoted: Bools
    reverted: Bools
    decided_s: Floats
    wrong_answers: Floats


class _Loop:
    """State of R rollouts in their own stages."""

    def __init__(self, policy: LoopPolicy, runs: int) -> None:
        self.policy = policy
        self.stage: npt.NDArray[np.int64] = np.zeros(runs, dtype=np.int64)
        self.started_s = np.zeros(runs)
        self.begins: Bools = np.ones(runs, dtype=np.bool_)
        self.counts = np.zeros((4, runs))
        self.promoted: Bools = np.zeros(runs, dtype=np.bool_)
        self.reverted: Bools = np.zeros(runs, dtype=np.bool_)
        self.decided_s = np.full(runs, np.inf)
        self._weights = np.array([*policy.weights, 1.0])
        self._dwell_s = policy.dwell_s

    @property
    def weight(self) -> Floats:
        """The canary's share now, [R]."""
        now: Floats = self._weights[np.minimum(self.stage, len(self.policy.weights) - 1)]
        return now

    @property
    def live(self) -> Bools:
        """Rollouts without a verdict, [R]."""
        return ~(self.promoted | self.reverted)

    def revert(self, t: float, worse: Bools) -> None:
        """Take the weight of these rollouts away, [R]."""
        now = self.live & worse
        self.reverted |= now
        self.decided_s[now] = t

    def settle(self, t: float, calm: Bools, dispersion: Floats) -> None:
        """Let the weight rise where nothing speaks against it (`calm` [R]) and the pace allows it."""
        n_c, _, n_s, _ = self.counts
        policy = self.policy
        dwell_s = self._dwell_s[np.minimum(self.stage, len(self._dwell_s) - 1)]
        ripe = self.live & calm & (t - self.started_s >= dwell_s - 1e-9)
        rows = np.flatnonzero(ripe & (n_c >= policy.min_requests) & (n_s >= policy.min_requests))
        self.begins = np.zeros_like(self.begins)
        if policy.pace == "timed":
            self._rise(t, rows)
        elif rows.size:
            n_c, x_c, n_s, x_s = self.counts[:, rows]
            counts = StageCounts(n_c, x_c, n_s, x_s, dispersion[rows])
            following = self._weights[self.stage[rows] + 1]
            self._rise(t, rows[following * excess_upper(counts, policy.beta) <= policy.risk_budget])

    def _rise(self, t: float, rows: npt.NDArray[np.int64]) -> None:
        self.stage[rows] += 1
        self.started_s[rows] = t
        self.counts[:, rows] = 0.0
        self.begins[rows] = True
        done = rows[self.stage[rows] >= len(self.policy.weights)]
        self.promoted[done] = True
        self.decided_s[done] = t


def run_closed_loop(
    workload: ErrorWorkload,
    runs: int,
    seed: int,
    judgement: Judgement | None = None,
    policy: LoopPolicy | None = None,
) -> LoopResult:
    """Play `runs` rollouts of `workload`; deterministic for a seed."""
    judgement, policy = judgement or Judgement(), policy or LoopPolicy()
    traffic = TrafficSource(workload, runs, np.random.default_rng(seed))
    judge = ErrorJudge(judgement, runs, workload.scrape_s)
    judge.learn(traffic)
    loop, wrong = _Loop(policy, runs), np.zeros(runs)
    guard = None if policy.guardrail is None else GuardrailBank(policy.guardrail, runs, workload.scrape_s)
    for index in range(int(policy.longest_s / workload.scrape_s)):
        t = (index + 1) * workload.scrape_s
        scrape = traffic.scrape(t, loop.weight)
        wrong += np.where(loop.live, scrape.excess, 0.0)
        requests, events = scrape.requests, scrape.events
        counts = np.stack((requests[0], events[0], requests[1:].sum(axis=0), events[1:].sum(axis=0)))
        loop.counts += counts
        total = judge.observe(t, scrape, loop.begins)
        loop.revert(t, total >= 1.0 / judgement.alpha)
        calm = total < SUSPICIOUS_E
        if judgement.limit is not None:
            calm = calm & (loop.counts[1] <= judgement.limit * loop.counts[0])
        if guard is not None:
            guarded = guard.look(t, Counted(counts), 100.0 * loop.weight, loop.begins)
            loop.revert(t, guarded.unsafe)
            calm = calm & guarded.safe
        loop.settle(t, calm, judge.dispersion())
        if not bool(loop.live.any()):
            break
    return LoopResult(loop.promoted, loop.reverted, loop.decided_s, wrong)
