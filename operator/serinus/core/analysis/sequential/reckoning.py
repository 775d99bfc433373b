"""What the tests of a rollout say since they took their last cell.

Cells are seconds long and looks may come each second: between two cells nothing changes but how old things are. What
the tests say is worked out when it is first asked for, and asked again at each look.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
from serinus.core.analysis.sequential.doubts import Doubt
from serinus.core.analysis.sequential.drift_group import DriftGroup
from serinus.core.analysis.sequential.evidence import Evidence
from serinus.core.analysis.sequential.latency_group import LatencyGroup
from serinus.core.analysis.sequential.promotion import StageCounts, excess_upper, requests_needed
from serinus.core.analysis.sequential.scalar import ScalarTest
from serinus.core.analysis.sequential.share_group import ShareGroup
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.core.analysis.sequential.traffic_split import TrafficSplitTest
from serinus.core.analysis.sequential.verdict import MonitorStage, StageView
from serinus.core.analysis.sequential.weights import e_total, parts


@dataclass(frozen=True, slots=True)
class Ages:
    """What becomes old between two cells: which metrics' answers, by name, and which gating ones never came.

    Of those that are `coming` something waits for the end of its cell: they are neither old nor without requests.
    """

    stale: Mapping[str, bool]
    silent: Sequence[str]
    coming: Set[str]


@dataclass(frozen=True, eq=False)
class Tests:
    """All tests of one rollout."""

    shares: ShareGroup
    latencies: LatencyGroup
    drifts: Sequence[DriftGroup]
    scalars: Mapping[str, ScalarTest]

    def take(self, t: float, seen: Mapping[str, Any], *, started: bool, compared: bool) -> dict[str, bool]:
        """Take one cell, or the start of a stage, and tell which metrics answered; at 100 % nothing is compared."""
        told = [seen.get(metric.name) for metric in self.shares.metrics]
        answered = self.shares.observe(t, told, stage_started=started, compared=compared)
        answers = dict(zip((metric.name for metric in self.shares.metrics), answered, strict=True))
        return {**answers, **self._compare(t, seen, started=started)} if compared else answers

    def _compare(self, t: float, seen: Mapping[str, Any], *, started: bool) -> dict[str, bool]:
        answers: dict[str, bool] = {}
        names = [metric.name for metric in self.latencies.metrics]
        if names:
            answered = self.latencies.observe(t, [seen.get(name) for name in names], stage_started=started)
            answers.update(zip(names, answered, strict=True))
        for group in self.drifts:
            names = [metric.name for metric in group.metrics]
            if names:
                answered = group.observe([seen.get(name) for name in names], stage_started=started)
                answers.update(zip(names, answered, strict=True))
        for test in self.scalars.values() if started else ():
            test.start_stage(t)
        return answers

    @property
    def budgeted(self) -> tuple[str, ...]:
        """The metrics that the risk budget is measured by."""
        return tuple(metric.name for metric in (*self.shares.metrics, *self.latencies.metrics))


class Reckoning:
    """The answers of tests that take no cell any more; `weights` are those of the metrics in the evidence.

    With `limits_only` what is not a limit counts as no evidence.
    """

    def __init__(self, config: MonitorConfig, weights: Mapping[str, float], tests: Tests, *, limits_only: bool) -> None:
        self._config = config
        self._weights = weights
        self._tests = tests
        self._limits_only = limits_only
        self._evidence: dict[tuple[object, ...], dict[str, Evidence]] = {}
        self._needed: dict[tuple[int, float], float | None] = {}
        self._champion_over = bool(tests.shares.limit.champion_over().any())
        self.budgeted = tests.budgeted
        self.over_limit = self._first_limited(tests.shares.over_limit())

    @cached_property
    def counts(self) -> StageCounts:
        """Counts of the present stage, of the metrics that the budget is measured by."""
        shares, latencies = self._tests.shares.stage_counts(), self._tests.latencies.stage_counts()
        pairs = zip(shares.columns(), latencies.columns(), strict=True)
        return StageCounts(*(np.concatenate(pair) for pair in pairs))

    @cached_property
    def excess(self) -> Floats:
        """Upper bounds of the excess rates of `counts`."""
        return excess_upper(self.counts, self._config.beta)

    @cached_property
    def _rate_bounds(self) -> tuple[Floats, Floats]:
        return self._tests.shares.rate_bounds()

    def knows(self, counts: StageCounts, excess: Floats, rate_bounds: tuple[Floats, Floats]) -> None:
        """Take over what was worked out for many rollouts at once."""
        self.__dict__.update(counts=counts, excess=excess, _rate_bounds=rate_bounds)

    @cached_property
    def requests(self) -> Mapping[str, float]:
        """Requests of this stage that each gating metric rests on, of the side with fewer."""
        fewer = dict(zip(self.budgeted, np.minimum(self.counts.n_c, self.counts.n_s).tolist(), strict=True))
        for group in self._tests.drifts:
            fewer.update(group.stage_requests())
        return {metric.name: fewer[metric.name] for metric in self._gating() if metric.name in fewer}

    def _gating(self) -> list[MetricConfig]:
        return [metric for metric in self._config.metrics if metric.gating]

    def view(
        self, t: float, stage: MonitorStage, ages: Ages, split: TrafficSplitTest, doubts: tuple[Doubt, ...]
    ) -> StageView:
        """Give all that the verdict at time `t` (s) depends on."""
        evidence = self.evidence(t, ages.stale)
        added = parts(self._weights, evidence, limits_only=self._limits_only)
        return StageView(
            config=self._config,
            stage=stage,
            t=t,
            e_total=e_total(added),
            cause=max(sorted(added), key=lambda key: added[key]) if added else None,
            evidence=evidence,
            stale=tuple(metric.name for metric in self._gating() if ages.stale[metric.name]),
            silent=tuple(ages.silent),
            coming=ages.coming,
            budgeted=self.budgeted,
            counts=self.counts,
            excess=self.excess,
            common_cause=self.common_cause(t),
            over_limit=self.over_limit,
            split_mismatch=split.mismatch,
            side_silent=split.silent,
            requests=self.requests,
            needed=self.needed,
            doubts=doubts,
        )

    def needed(self, row: int, margin: float) -> float | None:
        """Further requests of the challenger until the excess of one row of `counts` fits a margin."""
        asked = row, margin
        if asked not in self._needed:
            self._needed[asked] = requests_needed(self.counts.row(row), self._config.beta, margin)
        return self._needed[asked]

    def evidence(self, t: float, stale: Mapping[str, bool]) -> dict[str, Evidence]:
        """Evidence by metric at time `t` (s); `stale` says of each metric whether its answers are too old."""
        asked = (*stale.values(), *(self._common_cause(t).tolist() if self._champion_over else ()))
        found = self._evidence.get(asked)
        if found is None:
            found = self._evidence[asked] = self._evidence_at(t, stale)
        return found

    def _evidence_at(self, t: float, stale: Mapping[str, bool]) -> dict[str, Evidence]:
        shares, latencies = self._tests.shares, self._tests.latencies
        split = len(shares.metrics)
        evidence = shares.evidence(t, self.excess[:split], _of(shares.metrics, stale), bounds=self._rate_bounds)
        if latencies.metrics:
            evidence.update(latencies.evidence(self.excess[split:], _of(latencies.metrics, stale)))
        for group in self._tests.drifts:
            if group.metrics:
                evidence.update(group.evidence(_of(group.metrics, stale)))
        for name, test in self._tests.scalars.items():
            evidence[name] = test.evidence(missing=stale[name])
        return evidence

    def _common_cause(self, t: float) -> Bools:
        return self._tests.shares.limit.common_cause(t)

    def common_cause(self, t: float) -> str | None:
        """A metric of which both are over the limit at time `t` (s)."""
        return self._first_limited(self._tests.shares.limit.shared(t)) if self._champion_over else None

    def outdone(self, t: float) -> str | None:
        """A metric of which champion is over the limit at time `t` (s), and clearly worse than the challenger."""
        return self._first_limited(self._tests.shares.outdone(t)) if self._champion_over else None

    def _first_limited(self, chosen: Any) -> str | None:
        shares = self._tests.shares
        rows = [int(row) for row in shares.limited[np.flatnonzero(chosen)]]
        names = [shares.metrics[row].name for row in rows if shares.metrics[row].gating]
        return min(names) if names else None


def _of(metrics: Sequence[MetricConfig], stale: Mapping[str, bool]) -> list[bool]:
    return [stale[metric.name] for metric in metrics]


Shape = tuple[object, ...]


def shape_of(config: MonitorConfig, tests: Tests) -> Shape | None:
    """Say what two rollouts' tests must have in common to be stacked; None where they cannot be."""
    shares, latencies = tests.shares, tests.latencies
    uneven = bool(latencies.metrics) and not latencies.bank.layout.even
    if uneven or not shares.metrics or any(group.metrics for group in tests.drifts):
        return None
    calibrations = shares.calibration, latencies.bank.calibration
    return (
        config.beta,
        len(shares.metrics),
        tuple(shares.limited.tolist()),
        shares.limit.patience_s,
        tuple(latencies.bank.layout.lengths),
        *((each.scrape_interval_s, each.group, tuple(each.windows.tolist())) for each in calibrations),
        shares.scrape_interval_s,
        latencies.scrape_interval_s,
    )
