"""The whole path with history: a gateway's raw counters, stable's past from them, and the operator's own looks.

The tables of 4.1 to 4.3 play the banks alone, thousands of rollouts at once. This plays what stands before them as
well: scrapes of several replicas at seconds of their own, counters and their series, the reader of the past, `assess`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from scipy.special import ndtr

from serinus.api.canary import Pace
from serinus.api.judging import Mode
from serinus.api.policy import Analysis, Metric, Preset, Provider, ThresholdRange
from serinus.api.status import Verdict
from serinus.core.analysis.assess import assess
from serinus.core.analysis.comparison import taken_of
from serinus.core.analysis.exposition import READERS, Labels
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.past import CountedMetric, PastReader
from serinus.core.analysis.readings import observe_preset
from serinus.core.analysis.scope import EVERYBODY
from serinus.core.analysis.sequential.state import Floats
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from serinus.core.model.assessment import AnalysisState, Look, Observation, Stage
from serinus.core.model.past import Past
from serinus.simulation.distribution import MEDIAN_S, PROMETHEUS_BOUNDS_S, SPREAD
from serinus.simulation.ramp import Ramp, RampResult

CANARY: Final = ("ml", "fraud-new")
STABLE: Final = ("ml", "fraud-old")
WINDOW_S: Final = 60.0
_Key = tuple[str, int, str]
"""A Service, a replica of the gateway, and what is counted: a code, or a bucket's bound."""


@dataclass(frozen=True)
class WholePathWorkload:
    """Independent errors at a gateway of several replicas; `slower` scales the canary's latency, 0 counts none."""

    requests_per_s: float
    stable_rate: float
    canary_rate: float
    slower: float = 0.0
    gateways: int = 2
    scrape_s: float = 5.0
    history_s: float = 3600.0


def run_whole_path(workload: WholePathWorkload, runs: int, seed: int) -> RampResult:
    """Play the fixed ramp one rollout after the other; deterministic for a seed."""
    reverted = [_Rollout(workload, np.random.default_rng([seed, run])).play() for run in range(runs)]
    return RampResult(np.array([at for at, _ in reverted]), np.array([wrong for _, wrong in reverted]))


@dataclass
class _Gateway:
    """The counters of all replicas, and the samples that were scraped of them."""

    workload: WholePathWorkload
    rng: np.random.Generator
    wrong: float = 0.0
    counters: dict[_Key, float] = field(default_factory=dict)

    def scrape(self, at: float, weight: float) -> list[Series]:
        """Count what came in one interval, and show every counter; replicas are scraped one after the other."""
        work = self.workload
        for replica in range(work.gateways):
            for owner, share, rate, slower in (
                (CANARY, weight, work.canary_rate, work.slower),
                (STABLE, 1.0 - weight, work.stable_rate, 1.0),
            ):
                arrivals = work.requests_per_s * work.scrape_s * share / work.gateways
                self._count(owner[1], replica, arrivals, rate, slower)
        return [
            Series(_labels(key), ((at + key[1] * work.scrape_s / work.gateways, value),))
            for key, value in self.counters.items()
        ]

    def _count(self, service: str, replica: int, arrivals: float, rate: float, slower: float) -> None:
        errors, fine = self.rng.poisson(arrivals * rate), self.rng.poisson(arrivals * (1.0 - rate))
        if service == CANARY[1] and rate > self.workload.stable_rate:
            self.wrong += errors - arrivals * self.workload.stable_rate
        for code, number in (("500", errors), ("200", fine)):
            if number:
                self._add((service, replica, code), float(number))
        if self.workload.slower and errors + fine:
            answers = np.cumsum(self.rng.multinomial(errors + fine, _bucket_shares(slower)))
            for bound, below in zip((*PROMETHEUS_BOUNDS_S, math.inf), answers.tolist(), strict=True):
                self._add((service, replica, f"le={bound}"), float(below))

    def _add(self, key: _Key, number: float) -> None:
        self.counters[key] = self.counters.get(key, 0.0) + number


class _Rollout:
    """One rollout from its history to its end."""

    def __init__(self, workload: WholePathWorkload, rng: np.random.Generator) -> None:
        self.workload = workload
        self.gateway = _Gateway(workload, rng)
        self.policy = _policy(workload)
        self.tallies = self._new_tallies()

    def _new_tallies(self) -> Tallies:
        return Tallies(READERS[Provider.ISTIO], keep_s=math.inf, scope=EVERYBODY)

    def play(self) -> tuple[float, float]:
        """Give the second of the revert (infinity where there is none) and the canary's wrong answers until then."""
        past, ramp, known = self._past(), Ramp(), AnalysisState()
        interval, stage = self.workload.scrape_s, Stage(0, 0, 0.0)
        for number, weight in _weights(ramp, interval):
            at = number * interval
            if weight != stage.weight:
                stage, known = Stage(weight, min(100, 2 * weight), at - interval), known.for_new_stage()
            self.tallies.ingest(self.gateway.scrape(at, weight / 100), (CANARY, STABLE), at + interval)
            look = self._look(at + interval, stage, known, past)
            known, assessment = assess(look, known, stage, self.policy, look.at, pace=Pace.TIMED)
            if assessment.verdict is Verdict.UNSAFE:
                return at, self.gateway.wrong
        return math.inf, self.gateway.wrong

    def _past(self) -> Past | None:
        """Read what was scraped before the rollout, an hour at a time, as the operator reads it."""
        work, reader = self.workload, PastReader(self.policy, self.workload.scrape_s)
        scrapes = round(work.history_s / work.scrape_s)
        shown: dict[Labels, list[tuple[float, float]]] = {}
        for number in range(-scrapes, 1):
            for series in self.gateway.scrape(number * work.scrape_s, 0.0):
                shown.setdefault(tuple(sorted(series.labels.items())), []).extend(series.samples)
        recorded = [Series(dict(key), tuple(samples)) for key, samples in shown.items()]
        self.tallies.ingest([replace(one, samples=one.samples[-2:]) for one in recorded], (CANARY, STABLE), 0.0)
        if not scrapes:
            return None
        tallies = self._new_tallies()
        tallies.ingest(recorded, (STABLE,), 0.0)
        reader.read([CountedMetric(metric, tallies, STABLE) for metric in self.policy.metrics], (-work.history_s, 0.0))
        return reader.past("42")

    def _look(self, at: float, stage: Stage, known: AnalysisState, past: Past | None) -> Look:
        taken = taken_of(known.gathered)
        seen = {one.name: self._observed(one, at, stage, taken.get(one.name, 0.0)) for one in self.policy.metrics}
        return Look(at, seen, scrape_interval=self.workload.scrape_s, past=past)

    def _observed(self, metric: Metric, at: float, stage: Stage, taken: float) -> Observation:
        tallies, interval = self.tallies, self.workload.scrape_s
        since = max(at - WINDOW_S, stage.started)
        canary, stable = (
            (tallies.totals(owner, since), tallies.freshness(owner, at, interval)) for owner in (CANARY, STABLE)
        )
        seen = observe_preset(metric, query="", canary=canary, stable=stable, targets_fresh=True)
        until = tallies.horizon((CANARY, STABLE), at, interval)
        span = max(stage.started, taken), until
        increments, bounds = preset_increments(metric, tallies, CANARY, STABLE, span, began=stage.started)
        return replace(seen, increments=increments, bounds=bounds)


def _weights(ramp: Ramp, interval: float) -> Iterator[tuple[int, int]]:
    per_stage = round(ramp.stage_s / interval)
    for index in range(per_stage * len(ramp.weights)):
        yield index + 1, round(100 * ramp.weights[index // per_stage])


def _policy(workload: WholePathWorkload) -> Analysis:
    errors = Metric(name="error-rate", preset=Preset.ERROR_RATE, threshold_range=ThresholdRange(max="30%"))
    latency = Metric(name="latency", preset=Preset.LATENCY, quantile="0.99", threshold_range=ThresholdRange(max="60s"))
    metrics = (errors, latency) if workload.slower else (errors,)
    return Analysis(mode=Mode.SEQUENTIAL, interval=f"{workload.scrape_s:g}s", metrics=metrics)


def _labels(key: _Key) -> dict[str, str]:
    service, replica, what = key
    labels = {
        "__name__": "istio_requests_total",
        "reporter": "source",
        "destination_service_namespace": "ml",
        "destination_service_name": service,
        "instance": f"gateway-{replica}:15020",
    }
    if what.startswith("le="):
        bound = float(what.removeprefix("le="))
        shown = "+Inf" if math.isinf(bound) else f"{1000 * bound:g}"
        return {**labels, "__name__": "istio_request_duration_milliseconds_bucket", "le": shown, "response_code": "200"}
    return {**labels, "response_code": what}


def _bucket_shares(slower: float) -> Floats:
    below = ndtr((np.log(np.array(PROMETHEUS_BOUNDS_S)) - np.log(MEDIAN_S * slower)) / SPREAD)
    shares: Floats = np.diff(below, prepend=0.0, append=1.0)
    return shares
