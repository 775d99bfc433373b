"""A policy's metrics as the streams that the monitor compares, and each look's increments as its observations.

An error rate whose 4xx count only by comparison is two streams: server errors, with the limit, and client errors, which
have none, since callers' own faults fall on both revisions alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final, Literal

from serinus.api.canary import Pace
from serinus.api.durations import seconds, share
from serinus.api.judging import ClientErrors, OnMaxHold, QueryType
from serinus.api.policy import Analysis, Metric, Preset
from serinus.core.analysis.bins import aligned
from serinus.core.analysis.covered import longest_range
from serinus.core.analysis.promql import has_baseline
from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
from serinus.core.analysis.sequential.observations import (
    DriftObservation,
    HistogramObservation,
    MetricObservation,
    ScalarObservation,
    ShareObservation,
)
from serinus.core.analysis.shares import counts_of
from serinus.core.model.assessment import ErrorAnswers, Increment, Look, Observation

CLIENT_ERRORS = "/4xx"
SHORTEST_SCALAR_BLOCK = 60.0
COMPARED_REQUESTS = 50.0
"""Fewer of either revision in a stage compare nothing (STATISTICS 3.9)."""
_MOST_KEPT: Final = 4096
"""Configurations of metrics: each look at a rollout asks for the same."""


@dataclass(frozen=True)
class Stream:
    """One thing that is compared, and what each scrape says of it.

    `bins` are the names of a distribution's, `errors` the canary's answers that speak against it, scrape by scrape.
    """

    name: str
    config: MetricConfig
    observations: Mapping[float, MetricObservation]
    bins: tuple[str, ...] = ()
    errors: Mapping[float, tuple[ErrorAnswers, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Streams:
    """What can be compared now, and the gating metrics that have shown nothing yet to be compared by.

    `refused` are gating metrics of which both revisions have data that cannot be compared, with the reason in words.
    """

    known: tuple[Stream, ...]
    silent: tuple[str, ...]
    refused: Mapping[str, str] = field(default_factory=dict)


def streams_of(look: Look, policy: Analysis, bins: Mapping[str, tuple[str, ...]] | None = None) -> Streams:
    """List the streams; one metric that is silent keeps no other from being compared.

    `bins` are the names of each distribution's bins, as the evidence has them.
    """
    known: list[Stream] = []
    silent: list[str] = []
    refused: dict[str, str] = {}
    for metric in policy.metrics:
        seen = look.observations.get(metric.name)
        if seen is None or not _is_compared(metric):
            continue
        if not _is_silent(metric, seen):
            known.extend(_streams(metric, seen, policy, (bins or {}).get(metric.name, ())))
        elif metric.gating is not False and seen.incomparable:
            refused[metric.name] = seen.incomparable
        elif metric.gating is not False:
            silent.append(metric.name)
    return Streams(tuple(known), tuple(silent), refused)


def metric_of(stream: str) -> str:
    """Name the metric that a stream belongs to."""
    return stream.removesuffix(CLIENT_ERRORS)


def monitor_config(
    policy: Analysis, streams: tuple[Stream, ...], pace: Pace, scrape_interval: float | None = None
) -> MonitorConfig:
    """Say how the monitor judges; with pace Timed the pauses are the dwell and the budget is only shown.

    What is scraped less often than it is looked at has news with each scrape, not with each look.
    """
    evidence = pace is Pace.EVIDENCE
    return MonitorConfig(
        metrics=tuple(stream.config for stream in streams),
        alpha=share(policy.false_revert_rate or "0.01"),
        risk_budget=share(policy.risk_budget or "0.005"),
        min_dwell_s=seconds(policy.min_dwell or "1m") if evidence else 0.0,
        min_requests=COMPARED_REQUESTS if evidence else requests_to_rise(policy),
        scrape_interval_s=news_seconds(policy, scrape_interval),
        pace="evidence" if evidence else "timed",
        max_hold_s=seconds(policy.max_hold) if policy.max_hold else None,
        on_max_hold="rollback" if policy.on_max_hold is OnMaxHold.REVERT else "hold",
    )


def requests_to_rise(policy: Analysis) -> float:
    """Ask for as many requests of each revision as the metrics say; one that leaves it open asks for enough to compare.

    The default of `minSamples` is made for a limit that must act within seconds.
    """
    counting = (metric for metric in policy.metrics if metric.least_samples is not None)
    return max((float(metric.min_samples or COMPARED_REQUESTS) for metric in counting), default=COMPARED_REQUESTS)


def news_seconds(policy: Analysis, scrape_interval: float | None) -> float:
    """Tell how often there can be news (s): with each look, or with each scrape where those are rarer."""
    return max(seconds(policy.interval or "5s"), scrape_interval or 0.0)


def _is_compared(metric: Metric) -> bool:
    """A request count is no quality, and Triton's mean latency is no share of requests: limits alone hold them.

    They hold a Ratio that has only a lower one, too: the test finds more events, and more are better there.
    """
    if metric.is_latency:
        return metric.has_histogram
    if metric.is_ratio:
        return metric.bounds.upper is not None and has_baseline(metric.query or "")
    return metric.preset is not Preset.REQUEST_COUNT


def _is_silent(metric: Metric, seen: Observation) -> bool:
    if metric.is_latency:
        return bool(seen.incomparable) or not seen.bounds
    return metric.type is QueryType.DISTRIBUTION and not seen.increments


def _streams(metric: Metric, seen: Observation, policy: Analysis, bins: tuple[str, ...]) -> list[Stream]:
    if metric.preset is Preset.ERROR_RATE:
        return _error_streams(metric, seen)
    if metric.is_latency:
        return [_latency_stream(metric, seen)]
    if metric.type is QueryType.DISTRIBUTION:
        return [_drift_stream(metric, seen, bins)]
    if metric.is_ratio:
        return [_ratio_stream(metric, seen)]
    if seen.stable is None:
        return []
    return [_scalar_stream(metric, seen, policy)]


@lru_cache(maxsize=_MOST_KEPT)
def _config(metric: Metric) -> MetricConfig:
    """Configure what every kind of stream of a metric has in common."""
    return MetricConfig(
        metric.name,
        weight=float(metric.weight or 1),
        gating=metric.gating is not False,
        tolerance=share(metric.tolerated_increase) if metric.tolerated_increase else None,
    )


@lru_cache(maxsize=_MOST_KEPT)
def _error_config(metric: Metric) -> MetricConfig:
    return replace(_config(metric), limit=_limit_of(metric))


@lru_cache(maxsize=_MOST_KEPT)
def _client_error_config(metric: Metric) -> MetricConfig:
    return replace(_config(metric), name=metric.name + CLIENT_ERRORS)


@lru_cache(maxsize=_MOST_KEPT)
def _latency_config(metric: Metric, bounds: tuple[float, ...]) -> MetricConfig:
    return replace(_config(metric), kind="latency", bounds_s=bounds, quantile=float(metric.quantile or "0.99"))


def _error_streams(metric: Metric, seen: Observation) -> list[Stream]:
    """Requests and errors."""
    counted = metric.client_errors is ClientErrors.COUNT
    config = _error_config(metric)
    observed = {one.at: _errors(one, metric) for one in seen.increments}
    streams = [Stream(metric.name, config, observed, errors=_answers(seen, callers=counted, servers=True))]
    if metric.client_errors is ClientErrors.COMPARE:
        client = _client_error_config(metric)
        fours = {one.at: _client_errors(one) for one in seen.increments}
        streams.append(Stream(client.name, client, fours, errors=_answers(seen, callers=True, servers=False)))
    return streams


def _ratio_stream(metric: Metric, seen: Observation) -> Stream:
    """Trials and events; trials need not be requests, and say nothing of how those were split."""
    config = replace(_config(metric), limit=_limit_of(metric), of_requests=False)
    return Stream(metric.name, config, {one.at: _errors(one, metric) for one in seen.increments})


def _limit_of(metric: Metric) -> float | None:
    """A limit of 100 % or none is no limit test."""
    limit = metric.bounds.upper
    return limit if limit is not None and 0.0 < limit < 1.0 else None


def _answers(seen: Observation, *, callers: bool, servers: bool) -> dict[float, tuple[ErrorAnswers, ...]]:
    """Give the canary's errors that a stream counts: those that blame callers, those of the server, or both."""
    return {
        one.at: tuple(error for error in one.errors if (callers if error.blames_caller else servers))
        for one in seen.increments
        if one.errors
    }


def _errors(one: Increment, metric: Metric) -> ShareObservation:
    canary, stable = counts_of(metric, one.canary), counts_of(metric, one.stable)
    if one.halves is None:
        return ShareObservation(canary, stable)
    return ShareObservation(canary, stable, *(counts_of(metric, half) for half in one.halves))


def _client_errors(one: Increment) -> ShareObservation:
    return ShareObservation((one.canary[0], one.canary[2]), (one.stable[0], one.stable[2]))


def _latency_stream(metric: Metric, seen: Observation) -> Stream:
    config = _latency_config(metric, seen.bounds)
    observed: dict[float, MetricObservation] = {
        one.at: HistogramObservation(one.canary, one.stable) for one in seen.increments
    }
    return Stream(metric.name, config, observed)


def tolerated_divergence(metric: Metric) -> float:
    """The divergence (PSI) that is no drift: the range's max."""
    return metric.bounds.upper or 0.25


def _drift_stream(metric: Metric, seen: Observation, known: tuple[str, ...]) -> Stream:
    """Bins go by name: the order is that of the first look of the whole rollout, whatever later ones begin with."""
    names = known or seen.bins
    bins = len(names) or len(seen.increments[0].canary)
    config = replace(_config(metric), kind="drift", bins=bins, tolerance=tolerated_divergence(metric))
    observed: dict[float, MetricObservation] = {
        one.at: DriftObservation(aligned(one.canary, seen.bins, names), aligned(one.stable, seen.bins, names))
        for one in seen.increments
    }
    return Stream(metric.name, config, observed, names)


def _scalar_stream(metric: Metric, seen: Observation, policy: Analysis) -> Stream:
    """A bound from above means that more is worse; values of overlapping windows are not new data."""
    block = max(seconds(metric.window) if metric.window else SHORTEST_SCALAR_BLOCK, seconds(policy.interval or "5s"))
    direction: Literal["increase", "decrease"] = "increase" if metric.bounds.upper is not None else "decrease"
    covered = longest_range(seen.query) or None
    config = replace(_config(metric), kind="scalar", direction=direction, interval_s=block, block_s=covered)
    observed: dict[float, MetricObservation] = {
        one.at: ScalarObservation(one.canary[0], one.stable[0]) for one in seen.increments
    }
    return Stream(metric.name, config, observed)
