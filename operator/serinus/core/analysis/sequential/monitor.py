"""One rollout under watch: observations in, a verdict out (STATISTICS 3.7).

One evidence process for the whole rollout, never reset at a stage; what is local to a stage are the counts that the
risk budget is measured with and the test of the traffic split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.blocks import SHORTEST_BLOCK_S, scrapes_lasting, sums_of
from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig, parse_config, render_config
from serinus.core.analysis.sequential.doubts import Doubts
from serinus.core.analysis.sequential.drift_group import DriftGroup
from serinus.core.analysis.sequential.evidence import Evidence, MonitorVerdict
from serinus.core.analysis.sequential.freshness import Freshness
from serinus.core.analysis.sequential.grid import TimeGrid
from serinus.core.analysis.sequential.latency_group import LatencyGroup
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.noise import Noise
from serinus.core.analysis.sequential.observations import ScalarObservation, parse_observation
from serinus.core.analysis.sequential.promotion import StageCounts, excess_upper
from serinus.core.analysis.sequential.scalar import ScalarTest
from serinus.core.analysis.sequential.scrape_clock import ScrapeClock
from serinus.core.analysis.sequential.share_group import ShareGroup
from serinus.core.analysis.sequential.state import Floats, State, UnknownStateSchemaError, check_schema, stamp
from serinus.core.analysis.sequential.traffic_split import TrafficSplitTest
from serinus.core.analysis.sequential.verdict import MonitorStage, StageView, judge
from serinus.core.analysis.sequential.weights import parts, total_e, weights_of
from serinus.core.model.exposure import FULL_WEIGHT

KIND: Final = "RolloutMonitor"


class RolloutMonitor:
    """Evidence of all metrics of one rollout and the verdict on its present stage.

    `config` is a MonitorConfig or a mapping with its field names. `history` gives A/A history by metric name: for a
    share (requests_a, events_a, requests_b, events_b), [T] each; for latency (counts_a, counts_b), [T, J+1] each;
    for a scalar the A/A differences, [T]. Halves are of the pods; (requests, events) and (counts,) are of one series
    alone, whose noise is measured over time. Metrics without it run on the conservative path.
    """

    def __init__(
        self,
        config: MonitorConfig | Mapping[str, Any] | None = None,
        history: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = parse_config(config)
        self._known = frozenset(metric.name for metric in self.config.metrics)
        metrics, interval = self.config.metrics, max(self.config.scrape_interval_s, SHORTEST_BLOCK_S)
        suppress = self.config.common_cause == "hold"
        self._shares = ShareGroup(_of_kind(metrics, "share"), interval, suppress_common_cause=suppress)
        self._latencies = LatencyGroup(_of_kind(metrics, "latency"), interval)
        drifts = _of_kind(metrics, "drift")
        self._drifts = [DriftGroup([m for m in drifts if m.divergence == kind]) for kind in ("psi", "js")]
        past = history or {}
        self._scalars = {
            metric.name: ScalarTest(
                metric.direction, metric.tolerated, past.get(metric.name), block_s=metric.block_s or 0.0
            )
            for metric in _of_kind(metrics, "scalar")
        }
        self._learn(past)
        self._weights = weights_of(self.config)
        self._freshness = Freshness(metrics, self.config.scrape_interval_s)
        self._grid = TimeGrid([m for m in metrics if m.kind != "scalar"], self.config.scrape_interval_s)
        self._clock = ScrapeClock()
        self._split = TrafficSplitTest()
        self._doubts = Doubts((self._shares, self._latencies, *self._drifts), self.config.alpha, self._weights)
        self._stage: MonitorStage | None = None

    def _learn(self, history: Mapping[str, Any]) -> None:
        scrapes = scrapes_lasting(SHORTEST_BLOCK_S, self.config.scrape_interval_s)
        for group in (self._shares, self._latencies):
            for row, metric in enumerate(group.metrics):
                if history.get(metric.name) is not None:
                    group.learn(row, [sums_of(part, scrapes) for part in history[metric.name]])

    def learn(self, lessons: Mapping[str, Lesson | Noise]) -> None:
        """Calibrate metrics, by name, on what their past before the rollout has taught."""
        for name, test in self._scalars.items():
            if isinstance(noise := lessons.get(name), Noise):
                test.adopt(noise)
        for group in (self._shares, self._latencies):
            for row, metric in enumerate(group.metrics):
                if isinstance(lesson := lessons.get(metric.name), Lesson):
                    group.adopt(row, lesson)

    def joined_by(self, metrics: Sequence[MetricConfig]) -> RolloutMonitor:
        """Give a monitor that also watches these, in the place of those of the same name; other evidence goes on.

        Histograms share one layout: where one of them joins or has new buckets, the evidence of all of them begins.
        """
        new = {metric.name: metric for metric in metrics}
        known = [new.pop(metric.name, metric) for metric in self.config.metrics]
        monitor = RolloutMonitor(replace(self.config, metrics=(*known, *new.values())))
        if self._stage is not None:
            stage = self._stage
            monitor.start_stage(stage.weight, stage.next_weight, stage.started_s, by_weight=stage.by_weight)
        monitor._split = self._split
        monitor._shares.go_on_from(self._shares)
        if self._latencies.metrics and self._latencies.metrics == monitor._latencies.metrics:
            monitor._latencies.restore(self._latencies.to_dict())
        for mine, its in zip(self._drifts, monitor._drifts, strict=True):
            its.go_on_from(mine)
        kept = {m.name for m in self.config.metrics if m in monitor.config.metrics}
        monitor._scalars.update({name: test for name, test in self._scalars.items() if name in kept})
        monitor._freshness.go_on_from(self._freshness, kept)
        monitor._grid.go_on_from(self._grid, kept)
        monitor._clock.go_on_from(self._clock, kept)
        monitor._doubts.go_on_from(self._doubts)
        monitor._count_cells()
        return monitor

    def start_stage(self, weight: float, next_weight: float | None, t: float, *, by_weight: bool = True) -> None:
        """The challenger gets `weight` per cent from time `t` (s) on; `next_weight` is what a promotion leads to.

        Without `by_weight` some requests are sent to it for another reason, and its share of them is not tested.
        ValueError for a weight that is not above 0 and at most 100, and for a time that is none.
        """
        if not 0.0 < weight <= FULL_WEIGHT or (next_weight is not None and not 0.0 < next_weight <= FULL_WEIGHT):
            raise ValueError(f"weights are per cent, above 0 and at most 100, not {weight} and {next_weight}")
        if not self._clock.start(float(t)):
            raise ValueError(f"a stage starts at a time in seconds, not at {t}")
        if self._stage is not None:
            self._weigh_cell(math.inf, self._stage)
        following = None if next_weight is None or weight >= FULL_WEIGHT else float(next_weight)
        self._stage = MonitorStage(float(weight), following, float(t), by_weight)
        self._split.start_stage()
        self._grid.begin()
        self._doubts.start_stage()
        self._shares.at_weight(self._stage.weight)
        self._take(float(t), dict.fromkeys(self._known), self._stage, started=True)

    @property
    def last_scrape_s(self) -> float:
        """The latest time that was believed, of the stage's start too."""
        return self._clock.latest_s

    def set_back(self, t: float) -> None:
        """The clock by which scrapes were taken was ahead, and it is `t` (s): what comes from now on is news."""
        if self._stage is not None:
            self._weigh_cell(math.inf, self._stage)
        self._clock.set_back(t)
        self._grid.begin()
        self._freshness.set_back(t)
        self._shares.set_back(t)
        for test in self._scalars.values():
            test.set_back(t)

    def scraped_every(self, seconds: float) -> None:
        """Wait longer for news where scrapes come less often than was known when the rollout began."""
        self._freshness.wait_for(seconds)
        if seconds > self._grid.cell_s:
            self._grid.lasting(seconds)
            self._count_cells()

    def _count_cells(self) -> None:
        """Tell the tests how long the cells are that their blocks consist of."""
        self._shares.scraped_every(self._grid.cell_s)
        self._latencies.scraped_every(self._grid.cell_s)

    def observe(self, t: float, observations: Mapping[str, Any]) -> MonitorVerdict:
        """Take what one scrape at time `t` (s) says, by metric name, and say what follows from all that was taken."""
        at = self.take(t, observations)
        return self._verdict(at, self._started())

    def take(self, t: float, observations: Mapping[str, Any]) -> float:
        """Take what one scrape says, and ask nothing; gives the time (s) of the verdict that can be asked for now.

        A name that is absent or None is missing. So is what comes at a time that cannot be (`ScrapeClock`) or that was
        taken before.
        """
        stage = self._started()
        if not self._known.issuperset(observations):
            raise KeyError(f"not metrics of this rollout: {sorted(set(observations) - self._known)}")
        if not self._clock.admits(t):
            return self._clock.now_s
        t = float(t)
        parsed = {
            m.name: parse_observation(m.kind, observations.get(m.name)) if self._clock.is_news(m.name, t) else None
            for m in self.config.metrics
        }
        self._clock.take(t, [name for name, seen in parsed.items() if seen is not None])
        self._lay_out(t, parsed, stage)
        # With pace "evidence" every rise is proved anyway.
        if self.config.pace == "timed" and not stage.full:
            self._doubts.look(t, t - stage.started_s)
        return t

    def _started(self) -> MonitorStage:
        if self._stage is None:
            raise RuntimeError("start_stage comes before observe")
        return self._stage

    def _lay_out(self, t: float, parsed: Mapping[str, Any], stage: MonitorStage) -> None:
        """Put one scrape on the grid, and weigh the cells that end with it."""
        if self._grid.passed(t):
            self._weigh_cell(t, stage)
        counted = {name: seen for name, seen in parsed.items() if seen is not None and name not in self._scalars}
        complete = self._grid.add(t, counted)
        for name, seen in parsed.items():
            if name in self._scalars:
                answered = not stage.full and self._take_scalar(t, self._scalars[name], seen, stage)
                self._freshness.see(name, t, answered=answered or (stage.full and seen is not None))
            elif not self._grid.waits(name):
                self._freshness.see(name, t, answered=False)
        if complete:
            self._weigh_cell(t, stage)

    def _weigh_cell(self, t: float, stage: MonitorStage) -> None:
        last_s, cell = self._grid.take(t, compared=not stage.full)
        if cell:
            answers = self._take(last_s, {**dict.fromkeys(self._known), **cell}, stage, started=False)
            for name in cell:
                self._freshness.see(name, last_s, answered=answers.get(name, True))

    def _take(self, t: float, parsed: Mapping[str, Any], stage: MonitorStage, *, started: bool) -> dict[str, bool]:
        """Hand one cell to the tests and tell which metrics answered."""
        compared = not stage.full
        answers: dict[str, bool] = {}
        names = [metric.name for metric in self._shares.metrics]
        before = self._shares.total[[0, 2]].copy()
        seen = self._shares.observe(t, [parsed[name] for name in names], stage_started=started, compared=compared)
        answers.update(zip(names, seen, strict=True))
        if compared:
            answers.update(self._take_comparisons(t, parsed, started=started))
        counting = [metric.name for metric in self._shares.metrics if metric.of_requests]
        if counting and compared and stage.by_weight:
            counted = (self._shares.total[[0, 2]] - before)[:, names.index(min(counting))]
            self._split.update(stage.weight / FULL_WEIGHT, *counted.tolist())
        return answers

    def _take_comparisons(self, t: float, parsed: Mapping[str, Any], *, started: bool) -> dict[str, bool]:
        answers: dict[str, bool] = {}
        names = [metric.name for metric in self._latencies.metrics]
        if names:
            seen = self._latencies.observe(t, [parsed[name] for name in names], stage_started=started)
            answers.update(zip(names, seen, strict=True))
        for group in self._drifts:
            names = [metric.name for metric in group.metrics]
            if names:
                seen = group.observe([parsed[name] for name in names], stage_started=started)
                answers.update(zip(names, seen, strict=True))
        for test in self._scalars.values() if started else ():
            test.start_stage(t)
        return answers

    def _take_scalar(self, t: float, test: ScalarTest, value: ScalarObservation | None, stage: MonitorStage) -> bool:
        """A scalar has a value once a block: a look without one is no news, until it is stale."""
        if value is None:
            return False
        counts, weight = (value.n_challenger, value.n_champion), stage.weight / FULL_WEIGHT
        found = test.update(t, value.challenger, value.champion, *counts, weight=weight)
        return found.status != "NoData"

    def _verdict(self, t: float, stage: MonitorStage) -> MonitorVerdict:
        counts = self._stage_counts()
        excess = excess_upper(counts, self.config.beta)
        evidence = self._evidence(t, excess)
        added = parts(self._weights, evidence, limits_only=stage.full)
        view = StageView(
            config=self.config,
            stage=stage,
            t=t,
            e_total=total_e(self._weights, evidence, limits_only=stage.full),
            cause=max(sorted(added), key=lambda key: added[key]) if added else None,
            evidence=evidence,
            stale=tuple(m.name for m in self._gating() if self._freshness.stale(m.name, t)),
            silent=tuple(m.name for m in self._gating() if not self._freshness.answered(m.name)),
            budgeted=tuple(m.name for m in (*self._shares.metrics, *self._latencies.metrics)),
            counts=counts,
            excess=excess,
            common_cause=self._common_cause(t),
            over_limit=self._over_limit(),
            split_mismatch=self._split.mismatch,
            side_silent=self._split.silent,
            requests=self._requests(counts),
            doubts=() if stage.full else self._doubts.found(t),
        )
        outdone = None if stage.full else self._first_limited(self._shares.outdone(t))
        return replace(judge(view), outdone=outdone)

    def _gating(self) -> list[MetricConfig]:
        return [metric for metric in self.config.metrics if metric.gating]

    def _requests(self, counts: StageCounts) -> dict[str, float]:
        names = [metric.name for metric in (*self._shares.metrics, *self._latencies.metrics)]
        fewer = dict(zip(names, np.minimum(counts.n_c, counts.n_s).tolist(), strict=True))
        for group in self._drifts:
            fewer.update(group.stage_requests())
        gating = {metric.name for metric in self._gating()}
        return {name: requests for name, requests in fewer.items() if name in gating}

    def _stage_counts(self) -> StageCounts:
        shares, latencies = self._shares.stage_counts(), self._latencies.stage_counts()
        pairs = zip(shares.columns(), latencies.columns(), strict=True)
        return StageCounts(*(np.concatenate(pair) for pair in pairs))

    def _evidence(self, t: float, excess: Floats) -> dict[str, Evidence]:
        split = len(self._shares.metrics)
        evidence = self._shares.evidence(t, excess[:split], self._stale(self._shares.metrics, t))
        if self._latencies.metrics:
            stale = self._stale(self._latencies.metrics, t)
            evidence.update(self._latencies.evidence(excess[split:], stale))
        for group in self._drifts:
            if group.metrics:
                evidence.update(group.evidence(self._stale(group.metrics, t)))
        for name, test in self._scalars.items():
            evidence[name] = test.evidence(missing=self._freshness.stale(name, t))
        return evidence

    def _stale(self, metrics: Sequence[MetricConfig], t: float) -> list[bool]:
        return [self._freshness.stale(metric.name, t) for metric in metrics]

    def _common_cause(self, t: float) -> str | None:
        return self._first_limited(self._shares.limit.shared(t))

    def _over_limit(self) -> str | None:
        return self._first_limited(self._shares.over_limit())

    def _first_limited(self, chosen: Any) -> str | None:
        rows = [int(row) for row in self._shares.limited[np.flatnonzero(chosen)]]
        names = [self._shares.metrics[row].name for row in rows if self._shares.metrics[row].gating]
        return min(names) if names else None

    def to_dict(self) -> State:
        """The configuration and the whole evidence as JSON values."""
        stage = self._stage
        return {
            **stamp(KIND),
            "config": render_config(self.config),
            "stage": None if stage is None else [stage.weight, stage.next_weight, stage.started_s, stage.by_weight],
            "grid": self._grid.to_dict(),
            "clock": self._clock.to_dict(),
            "shares": self._shares.to_dict(),
            "latencies": self._latencies.to_dict() if self._latencies.metrics else {},
            "drifts": [group.to_dict() if group.metrics else {} for group in self._drifts],
            "scalars": {name: test.to_dict() for name, test in self._scalars.items()},
            "freshness": self._freshness.to_dict(),
            "split": self._split.to_dict(),
            "doubts": self._doubts.to_dict(),
        }

    @classmethod
    def from_dict(
        cls, state: Mapping[str, Any], config: MonitorConfig | Mapping[str, Any] | None = None
    ) -> RolloutMonitor:
        """Rebuild; UnknownStateSchemaError when the state is not ours or, if `config` is given, of another policy."""
        check_schema(state, KIND)
        stored = parse_config(state["config"])
        if config is not None and parse_config(config) != stored:
            raise UnknownStateSchemaError("stored evidence was gathered under another policy")
        monitor = cls(stored)
        monitor._restore(state)
        return monitor

    def _restore(self, state: Mapping[str, Any]) -> None:
        self._stage = None if state["stage"] is None else MonitorStage(*state["stage"])
        self._grid.restore(state["grid"])
        self._count_cells()
        self._clock.restore(state["clock"])
        self._shares.at_weight(0.0 if self._stage is None else self._stage.weight)
        self._shares.restore(state["shares"])
        if self._latencies.metrics:
            self._latencies.restore(state["latencies"])
        for group, stored in zip(self._drifts, state["drifts"], strict=True):
            if group.metrics:
                group.restore(stored)
        self._scalars = {name: ScalarTest.from_dict(stored) for name, stored in state["scalars"].items()}
        self._freshness.restore(state["freshness"])
        self._split.restore(state["split"])
        self._doubts.restore(state.get("doubts"))


def _of_kind(metrics: Sequence[MetricConfig], kind: str) -> list[MetricConfig]:
    return [metric for metric in metrics if metric.kind == kind]
