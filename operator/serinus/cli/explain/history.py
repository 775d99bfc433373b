"""What Prometheus still has of a rollout: the increments of each metric, scrape by scrape, for both revisions.

Presets are read as the operator reads them (raw samples, per series), so that a replay sees the same numbers; users'
own queries are evaluated again at each interval.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from serinus.adapters.prometheus.ranges import RangeQueries
from serinus.api.durations import seconds
from serinus.api.judging import QueryType
from serinus.api.policy import Metric, Preset, Provider
from serinus.cli.errors import Refused
from serinus.cli.explain.account import Account
from serinus.core.analysis.bins import Bins
from serinus.core.analysis.exposition import Owner, histogram_of, reader_of
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.own_pods import owner_of, told_apart
from serinus.core.analysis.promql import Arm, has_baseline, preset_queries, render_query
from serinus.core.analysis.ratio import CountedRatio, counter_of
from serinus.core.analysis.readings import read_own_answer
from serinus.core.analysis.scope import EVERYBODY
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.core.model.assessment import Increment, Measured, Observation, Reading
from serinus.core.model.source import Source

CHUNK_SECONDS = 900.0
"""Raw samples that one question asks for: an answer stays small, and a pause of days is still readable."""
BEFORE_SECONDS = 300.0
"""Asked for before the first traffic, as live: the baselines of the counters, and how often is scraped."""
OVERLAP_SECONDS = 1.0
MOST_POINTS = 10_000
"""Prometheus refuses a range query of more than 11,000."""


class Archive(Protocol):
    """A Prometheus with past samples; tests pass a double."""

    def raw(self, query: str, at: float) -> MetricsAnswer:
        """Answer a query with a range selector: the raw samples before a time."""

    def stepped(self, query: str, start: float, end: float, step: float) -> MetricsAnswer:
        """Evaluate a query at each step."""


class PrometheusArchive:
    """A real Prometheus."""

    def __init__(self, source: Source) -> None:
        self._queries = RangeQueries(source)

    def raw(self, query: str, at: float) -> MetricsAnswer:
        return asyncio.run(self._queries.ask(query, at))

    def stepped(self, query: str, start: float, end: float, step: float) -> MetricsAnswer:
        return asyncio.run(self._queries.ask_range(query, start=start, end=end, step=step))


@dataclass(frozen=True)
class Span:
    """From first traffic to the decision, or to now; in unix seconds."""

    start: float
    end: float

    def chunks(self) -> Iterator[tuple[float, float]]:
        """Cut it, with the time before it, into what one question asks for: (end, length) each."""
        at = self.start - BEFORE_SECONDS
        while at < self.end:
            end = min(at + CHUNK_SECONDS, self.end)
            yield end, end - at + OVERLAP_SECONDS
            at = end


Counted = tuple[Provider, str]
"""Whose counters, and which histogram of theirs where they have several."""
Recorded = Mapping[Counted, tuple[Series, ...]]
"""The raw samples of both revisions' counters, as far as presets read them."""


def recorded(account: Account, span: Span, archive: Archive) -> Recorded:
    """Read the counters that Prometheus still has of both revisions; raises Refused when it does not answer."""
    arms = arms_of(account)
    presets = [metric for metric in account.rollout.spec.analysis.metrics if metric.preset is not None]
    found = {}
    for counted in dict.fromkeys(map(_counted, presets)):
        latency = any(one.has_histogram for one in presets)
        found[counted] = _raw_series(counted, arms, span, archive, latency=latency)
    return found


def _counted(metric: Metric) -> Counted:
    return metric.counted_by, histogram_of(metric)


def observed(account: Account, span: Span, archive: Archive, series: Recorded) -> dict[str, Observation]:
    """Read every metric of both revisions, scrape by scrape; raises Refused when Prometheus does not answer."""
    arms = arms_of(account)
    metrics = account.rollout.spec.analysis.metrics
    found = _presets(metrics, arms, span, series)
    interval = seconds(account.rollout.spec.analysis.interval or "5s")
    for metric in metrics:
        if metric.query is not None and has_baseline(metric.query):
            found[metric.name] = _own(metric, arms, span, archive, interval)
    return {name: seen for name, seen in found.items() if seen.increments}


def arms_of(account: Account) -> tuple[Arm, Arm]:
    spec = account.rollout.spec
    if spec.from_ is None:
        raise Refused(f"{account.rollout.name} is the first revision: there is nothing to compare it with")
    canary, stable = (
        Arm(account.namespace, account.name, one.revision.rpartition("-")[2], one.revision)
        for one in (spec.to, spec.from_)
    )
    return canary, stable


def _presets(
    metrics: tuple[Metric, ...], arms: tuple[Arm, Arm], span: Span, recorded: Recorded
) -> dict[str, Observation]:
    found = {}
    for counted, series in recorded.items():
        provider, owners = counted[0], _owners(arms, counted[0])
        tallies = Tallies(reader_of(*counted), keep_s=span.end - span.start + 2 * BEFORE_SECONDS, scope=EVERYBODY)
        own = series if provider.by_service else told_apart(series, arms)
        tallies.ingest(own, owners, span.end)
        for metric in metrics:
            if metric.preset in {None, Preset.REQUEST_COUNT} or _counted(metric) != counted:
                continue
            increments, bounds = preset_increments(metric, tallies, *owners, (span.start, span.end))
            found[metric.name] = _observation(increments, bounds)
    return found


def _owners(arms: tuple[Arm, Arm], provider: Provider) -> tuple[Owner, Owner]:
    canary, stable = (owner_of(arm, provider) for arm in arms)
    return canary, stable


def _raw_series(
    counted: Counted, arms: tuple[Arm, Arm], span: Span, archive: Archive, *, latency: bool
) -> tuple[Series, ...]:
    """Ask for the raw samples in pieces, and join them."""
    samples: dict[tuple[tuple[str, str], ...], dict[float, float]] = {}
    for end, length in span.chunks():
        for query in preset_queries(counted[0], arms, seconds=length, latency=latency, histogram=counted[1]):
            for one in answered(archive.raw(query, end)):
                samples.setdefault(tuple(sorted(one.labels.items())), {}).update(one.samples)
    return tuple(Series(dict(labels), tuple(sorted(found.items()))) for labels, found in samples.items())


def answered(answer: MetricsAnswer) -> tuple[Series, ...]:
    """Take an answer's series; raises Refused where there is no answer."""
    if isinstance(answer, NoAnswer):
        raise Refused(f"Prometheus did not answer ({answer.failure}): {answer.message}")
    return answer.series


def _own(metric: Metric, arms: tuple[Arm, Arm], span: Span, archive: Archive, interval: float) -> Observation:
    step = max(interval, (span.end - span.start) / MOST_POINTS)

    def asked(template: str | None) -> list[tuple[Series, ...]]:
        texts = [render_query(template or "", arm, metric.window or "60s") for arm in arms]
        return [answered(archive.stepped(text, span.start, span.end, step)) for text in texts]

    answers = asked(metric.query)
    if metric.type is QueryType.DISTRIBUTION:
        return _observation(tuple(_bins(metric, arms, answers)), ())
    if metric.is_ratio:
        return _observation(tuple(_shares(arms, answers, asked(metric.of))), ())
    values = [dict(series[0].samples) if len(series) == 1 else {} for series in answers]
    times = sorted(values[0].keys() & values[1].keys())
    return _observation(tuple(Increment(at, (values[0][at],), (values[1][at],)) for at in times), ())


def _bins(metric: Metric, arms: tuple[Arm, Arm], answers: list[tuple[Series, ...]]) -> Iterator[Increment]:
    bins, label = Bins(), metric.bucket_label or ""
    for at in _times(answers):
        now = [(arm.revision, _at(series, at)) for arm, series in zip(arms, answers, strict=True)]
        increment = bins.take(at, label, now)
        if increment is not None:
            yield increment


def _shares(
    arms: tuple[Arm, Arm], events: list[tuple[Series, ...]], trials: list[tuple[Series, ...]]
) -> Iterator[Increment]:
    """Count look by look, as the operator does."""
    ratio = CountedRatio()
    for at in _times(events + trials):
        read = {
            arm.revision: (_counter(events[place], at, "query"), _counter(trials[place], at, "of"))
            for place, arm in enumerate(arms)
        }
        increment = ratio.take(at, read)
        if increment is not None:
            yield increment


def _counter(series: tuple[Series, ...], at: float, name: str) -> Reading:
    return counter_of(read_own_answer(_at(series, at), at), name)


def _times(answers: list[tuple[Series, ...]]) -> list[float]:
    return sorted({at for series in answers for one in series for at, _ in one.samples})


def _at(series: tuple[Series, ...], at: float) -> SeriesSet:
    found = (Series(one.labels, tuple(sample for sample in one.samples if sample[0] == at)) for one in series)
    return SeriesSet(tuple(found))


def _observation(increments: tuple[Increment, ...], bounds: tuple[float, ...]) -> Observation:
    """Increments as the test wants them; the readings are what the literal rule wants, and are not replayed."""
    reading = Measured(0.0, None, increments[-1].at if increments else 0.0)
    return Observation(reading, reading, "", increments, bounds)
