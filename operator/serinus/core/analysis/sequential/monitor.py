"""One rollout under watch: observations in, a verdict out (STATISTICS 3.7).

One evidence process for the whole rollout, never reset at a stage; what is local to a stage are the counts that the
risk budget is measured with and the test of the traffic split.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from serinus.core.analysis.sequential.blocks import SHORTEST_BLOCK_S, scrapes_lasting, sums_of
from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig, parse_config, render_config
from serinus.core.analysis.sequential.doubts import Doubts
from serinus.core.analysis.sequential.drift_group import DriftGroup
from serinus.core.analysis.sequential.evidence import MonitorVerdict
from serinus.core.analysis.sequential.freshness import Freshness
from serinus.core.analysis.sequential.grid import GridCell, LaidOut, TimeGrid
from serinus.core.analysis.sequential.latency_group import LatencyGroup
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.noise import Noise
from serinus.core.analysis.sequential.observations import ScalarObservation, parse_observation
from serinus.core.analysis.sequential.reckoning import Ages, Reckoning, Shape, Tests, shape_of
from serinus.core.analysis.sequential.scalar import ScalarTest
from serinus.core.analysis.sequential.scrape_clock import ScrapeClock
from serinus.core.analysis.sequential.share_group import ShareGroup
from serinus.core.analysis.sequential.state import Floats, State, UnknownStateSchemaError, check_schema, stamp
from serinus.core.analysis.sequential.traffic_split import TrafficSplitTest
from serinus.core.analysis.sequential.verdict import MonitorStage, judge
from serinus.core.analysis.sequential.weights import weights_of
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
        self._shares = ShareGroup(self.config.of_kind("share"), interval, suppress_common_cause=suppress)
        self._latencies = LatencyGroup(self.config.of_kind("latency"), interval)
        drifts = self.config.of_kind("drift")
        self._drifts = [DriftGroup([m for m in drifts if m.divergence == kind]) for kind in ("psi", "js")]
        past = history or {}
        self._scalars = {
            metric.name: ScalarTest(
                metric.direction, metric.tolerated, past.get(metric.name), block_s=metric.block_s or 0.0
            )
            for metric in self.config.of_kind("scalar")
        }
        self._reckoned: Reckoning | None = None
        self._shared = False
        """Whether another monitor, which goes on from here, has the same tests."""
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

    def branch(self) -> RolloutMonitor:
        """Give a monitor that goes on from here, while this one stays as it is.

        Both have the same tests until one of them takes a cell, and then copies of its own.
        """
        twin = copy.copy(self)
        self._shared = twin._shared = True
        twin._grid, twin._clock, twin._freshness = self._grid.copied(), self._clock.copied(), self._freshness.copied()
        twin._split, twin._doubts = copy.copy(self._split), self._doubts.copied()
        twin._scalars = copy.deepcopy(self._scalars) if self._scalars else {}
        return twin

    def _changes(self) -> None:
        """Have tests of one's own before they change, and forget what they have said."""
        self._reckoned = None
        if self._shared:
            self._shares, self._latencies = self._shares.copied(), self._latencies.copied()
            self._drifts = [group.copied() for group in self._drifts]
            self._shared = False
        self._doubts.ask((self._shares, self._latencies, *self._drifts))

    def learn(self, lessons: Mapping[str, Lesson | Noise]) -> None:
        """Calibrate metrics, by name, on what their past before the rollout has taught."""
        if not lessons:
            return
        self._changes()
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
        self._changes()
        following = None if next_weight is None or weight >= FULL_WEIGHT else float(next_weight)
        self._stage = MonitorStage(float(weight), following, float(t), by_weight)
        self._split.start_stage()
        self._grid.begin()
        self._doubts.start_stage()
        self._shares.at_weight(self._stage.weight)
        self._take(float(t), {}, self._stage, started=True)

    @property
    def last_scrape_s(self) -> float:
        """The latest time that was believed, of the stage's start too."""
        return self._clock.latest_s

    def set_back(self, t: float) -> None:
        """The clock by which scrapes were taken was ahead, and it is `t` (s): what comes from now on is news."""
        if self._stage is not None:
            self._weigh_cell(math.inf, self._stage)
        self._changes()
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
            self._changes()
            self._grid.lasting(seconds)
            self._count_cells()

    def looked_at(self, now: float, delays: Mapping[str, float], newest: Mapping[str, float]) -> None:
        """Judge at a look at `now` (s) how old each metric's answers are (`Freshness.looked_at`)."""
        self._freshness.looked_at(now, delays, newest)

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
        found = self.lay_out(t, observations)
        if found.cell is not None:
            self.weigh(found.cell)
        self._look(found)
        return found.at

    def lay_out(self, t: float, observations: Mapping[str, Any]) -> LaidOut:
        """Put what one scrape says on the grid: all of `take` but for the cell that ends with it, and what follows."""
        stage = self._started()
        if not self._known.issuperset(observations):
            raise KeyError(f"not metrics of this rollout: {sorted(set(observations) - self._known)}")
        if not self._clock.admits(t):
            return LaidOut(self._clock.now_s, None, believed=False)
        t = float(t)
        parsed = {
            m.name: parse_observation(m.kind, observations.get(m.name)) if self._clock.is_news(m.name, t) else None
            for m in self.config.metrics
        }
        self._clock.take(t, [name for name, seen in parsed.items() if seen is not None])
        return LaidOut(t, self._lay_out(t, parsed, stage), believed=True)

    def may_say_more(self, t: float, now: float) -> bool:
        """Whether a look at `now` (s), with the scrapes up to `t` (s), may end a cell, or find that none comes.

        As long as it does neither the tests say what they have said.
        """
        return self._grid.ends_by(t, now) or self._freshness.is_late(now)

    def weighed(
        self, cell: GridCell, tests: tuple[ShareGroup, LatencyGroup], answered: Sequence[bool], news: Any
    ) -> None:
        """Go on with tests that have taken a cell; `news` are the requests of both sides in it, [2, S]."""
        self._reckoned, self._shared = None, False
        self._shares, self._latencies = tests
        self._doubts.ask((self._shares, self._latencies, *self._drifts))
        names = [metric.name for metric in (*self._shares.metrics, *self._latencies.metrics)]
        self._settle(cell, dict(zip(names, answered, strict=True)), news, self._started())

    def answer(self, found: LaidOut) -> MonitorVerdict:
        """Say what follows from all that was taken, once the cell of a scrape is weighed."""
        self._look(found)
        return self._verdict(found.at, self._started())

    def _look(self, found: LaidOut) -> None:
        """Let the sharp tests look; with pace "evidence" every rise is proved anyway."""
        stage = self._started()
        if found.believed and self.config.pace == "timed" and not stage.full:
            self._doubts.look(found.at, found.at - stage.started_s)

    def _started(self) -> MonitorStage:
        if self._stage is None:
            raise RuntimeError("start_stage comes before observe")
        return self._stage

    def _lay_out(self, t: float, parsed: Mapping[str, Any], stage: MonitorStage) -> GridCell | None:
        """Put one scrape on the grid, weigh the cell that it comes after, and give the one that ends with it."""
        counted = {name: seen for name, seen in parsed.items() if seen is not None and name not in self._scalars}
        if self._grid.passed(at := t if counted else self._freshness.shown_by_all(t)):
            self._weigh_cell(at, stage)
        complete = self._grid.add(t, counted)
        for name, seen in parsed.items():
            if name in self._scalars:
                answered = not stage.full and self._take_scalar(t, self._scalars[name], seen, stage)
                self._freshness.see(name, t, answered=answered or (stage.full and seen is not None))
            elif not self._grid.waits(name):
                self._freshness.see(name, t, answered=False)
        return self._cell(t, stage) if complete else None

    def _cell(self, t: float, stage: MonitorStage) -> GridCell | None:
        last_s, seen = self._grid.take(t, compared=not stage.full)
        return GridCell(last_s, seen) if seen else None

    def _weigh_cell(self, t: float, stage: MonitorStage) -> None:
        if (cell := self._cell(t, stage)) is not None:
            self.weigh(cell)

    def weigh(self, cell: GridCell) -> None:
        """Hand the tests a cell that has ended."""
        stage = self._started()
        before = self._shares.total[[0, 2]]
        answers = self._take(cell.ended_s, cell.seen, stage, started=False)
        self._settle(cell, answers, self._shares.total[[0, 2]] - before, stage)

    def _settle(self, cell: GridCell, answers: Mapping[str, bool], news: Floats, stage: MonitorStage) -> None:
        """Take in what is of no test: how requests were split in a cell, [2, S], and which metrics have answered."""
        shares = self._shares.metrics
        counting = [(metric.name, row) for row, metric in enumerate(shares) if metric.of_requests]
        if counting and not stage.full and stage.by_weight:
            self._split.update(stage.weight / FULL_WEIGHT, *news[:, min(counting)[1]].tolist())
        for name in cell.seen:
            self._freshness.see(name, self._clock.newest_of(name, cell.ended_s), answered=answers.get(name, True))

    def _take(self, t: float, seen: Mapping[str, Any], stage: MonitorStage, *, started: bool) -> dict[str, bool]:
        """Hand one cell to the tests and tell which metrics answered."""
        self._changes()
        return self.tests.take(t, seen, started=started, compared=not stage.full)

    def _take_scalar(self, t: float, test: ScalarTest, value: ScalarObservation | None, stage: MonitorStage) -> bool:
        """A scalar has a value once a block: a look without one is no news, until it is stale."""
        if value is None:
            return False
        self._reckoned = None
        counts, weight = (value.n_challenger, value.n_champion), stage.weight / FULL_WEIGHT
        found = test.update(t, value.challenger, value.champion, *counts, weight=weight)
        return found.status != "NoData"

    @property
    def tests(self) -> Tests:
        """All tests, as they are now."""
        return Tests(self._shares, self._latencies, self._drifts, self._scalars)

    @property
    def shape(self) -> Shape | None:
        """What monitors have in common whose cells can be weighed at once; None for one that is weighed alone."""
        return None if self._started().full else shape_of(self.config, self.tests)

    @property
    def reckoning(self) -> Reckoning:
        """What the tests say, until they take another cell."""
        if self._reckoned is None:
            full = self._started().full
            self._reckoned = Reckoning(self.config, self._weights, self.tests, limits_only=full)
        return self._reckoned

    def _verdict(self, t: float, stage: MonitorStage) -> MonitorVerdict:
        known = self.reckoning
        coming = {metric.name for metric in self.config.metrics if self._grid.waits(metric.name)}
        ages = Ages(
            stale={m.name: m.name not in coming and self._freshness.stale(m.name, t) for m in self.config.metrics},
            silent=[m.name for m in self.config.metrics if m.gating and not self._freshness.answered(m.name)],
            coming=coming,
        )
        doubts = () if stage.full else self._doubts.found(t)
        answer = judge(known.view(t, stage, ages, self._split, doubts))
        outdone = None if stage.full else known.outdone(t)
        return answer if outdone is None else replace(answer, outdone=outdone)

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
