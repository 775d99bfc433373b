"""`serinus backtest`: a manifest's policy against real traffic, as Prometheus recorded it."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from serinus.adapters.prometheus.ranges import RangeQueries
from serinus.api.policy import Provider
from serinus.cli.backtest.fetch import TimeRange, fetch, istio_selectors, providers, triton_selector
from serinus.cli.backtest.options import BacktestOptions
from serinus.cli.backtest.page import page, sentence, written
from serinus.cli.errors import Refused
from serinus.cli.simulate.command import read
from serinus.cli.watching import console
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import Series
from serinus.simulation.backtest.halves import pod_trials, split_by
from serinus.simulation.backtest.record import Record, activity_of
from serinus.simulation.backtest.recorded import Elsewhere, RecordedMetrics
from serinus.simulation.backtest.replay import PastRollout, Replayed, played_s, replay, stage_weights
from serinus.simulation.backtest.stages import stages_of
from serinus.simulation.backtest.trials import alone_before, trials
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.player import unlogged

PERSON_S = 600.0
Records = tuple[Record, ...]


def backtest(file: Path, name: str | None, options: BacktestOptions, *, as_json: bool) -> None:
    """Fetch, replay, and print the answer."""
    subject = read(file, name)
    source = RangeQueries(options.source, time_limits=(2.0, 60.0))
    replayed = replayed_from(source, subject, options)
    told = sentence(subject, replayed, pods=options.pods)
    if as_json:
        typer.echo(written(subject, replayed, told))
    else:
        console().print(page(subject, replayed, told))


def replayed_from(source: Elsewhere, subject: Subject, options: BacktestOptions) -> tuple[Replayed, ...]:
    """Replay every past rollout of the span, or every pod against the others."""
    span = TimeRange(options.start, options.end)
    by = _by_pods if options.pods else _by_revisions
    with unlogged():
        return asyncio.run(by(source, subject, options, span))


async def _by_revisions(
    source: Elsewhere, subject: Subject, options: BacktestOptions, span: TimeRange
) -> tuple[Replayed, ...]:
    records = await _records(source, subject, span, _services(subject, options), reporter="source")
    activity, guard_s = activity_of(records[0], f"{subject.name}-"), subject.policy.guard.seconds
    pasts = [
        PastRollout(
            trial,
            _arm(subject, trial.canary),
            _arm(subject, trial.stable),
            stages_of(activity, trial, stage_weights(subject)),
            activity,
            alone_before(activity, trial, guard_s),
        )
        for trial in trials(activity, guard_s)
    ]
    return await _replay_all(source, subject, [(past, records) for past in pasts], span.start)


async def _by_pods(
    source: Elsewhere, subject: Subject, options: BacktestOptions, span: TimeRange
) -> tuple[Replayed, ...]:
    """Of presets only: a user's own query knows revisions, not pods."""
    presets = tuple(metric for metric in subject.policy.analysis.metrics if metric.preset is not None)
    if not presets:
        raise Refused("--pods works for presets only, and the policy has none")
    analysis = subject.policy.analysis.model_copy(update={"metrics": presets})
    subject = replace(subject, policy=subject.policy.model_copy(update={"analysis": analysis}))
    records = await _records(source, subject, span, _services(subject, options), reporter="destination")
    found = []
    for each in pod_trials(records[0], (span.start, span.end), played_s(subject, PERSON_S)):
        split = tuple(split_by(record, each.pod) for record in records)
        activity = activity_of(split[0], "")
        stages = stages_of(activity, each.trial, ())
        canary, stable = (
            Arm(subject.namespace, subject.name, name, name) for name in (each.trial.canary, each.trial.stable)
        )
        found.append((each.pod, PastRollout(each.trial, canary, stable, stages, activity), split))
    replayed = await _replay_all(source, subject, [(past, split) for _, past, split in found], -math.inf)
    return tuple(
        replace(one, canary=pod, stable="the other pods") for (pod, _, _), one in zip(found, replayed, strict=True)
    )


async def _replay_all(
    source: Elsewhere, subject: Subject, rows: Sequence[tuple[PastRollout, Records]], began: float
) -> tuple[Replayed, ...]:
    found = []
    sources = {metric.source for metric in subject.policy.analysis.metrics if metric.source}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for past, records in progress.track(rows, description="rollouts"):
            clock = PlayedClock(past.trial.started)
            series = [one for record in records for one in record.series]
            metrics = RecordedMetrics(series, clock, source, sources, began=began)
            found.append(await replay(subject, past, metrics, clock))
    return tuple(found)


async def _records(source: Elsewhere, subject: Subject, span: TimeRange, services: str, *, reporter: str) -> Records:
    found = []
    for provider in providers(subject.policy.analysis) or (Provider.ISTIO,):
        if provider in {Provider.ENVOY, Provider.SIDECAR, Provider.VLLM}:
            raise Refused(f"backtest does not read the counters of provider {provider}: try it with provider istio")
        series: list[Series] = []
        for selector in _selectors(subject, provider, services, reporter):
            series.extend(await fetch(source, selector, span))
        if not series:
            per_pod = ' reported per pod (reporter="destination")' if reporter == "destination" else ""
            raise Refused(
                f"no {provider} series{per_pod} in that time range: check namespace {subject.namespace} and --service"
            )
        found.append(Record(provider, tuple(series)))
    return tuple(found)


def _selectors(subject: Subject, provider: Provider, services: str, reporter: str) -> Iterable[str]:
    if provider is Provider.TRITON:
        hashes = "|".join(re.sub(rf"^{re.escape(subject.name)}-", "", each) for each in services.split("|"))
        return [triton_selector(subject.namespace, subject.name, hashes)]
    return istio_selectors(subject.namespace, services, subject.policy.analysis.metrics, reporter=reporter)


def _services(subject: Subject, options: BacktestOptions) -> str:
    """The pattern of the Services' names: those that were named, or every revision's."""
    return "|".join(options.services) if options.services else f"{subject.name}-[0-9a-z]+"


def _arm(subject: Subject, service: str) -> Arm:
    return Arm(subject.namespace, subject.name, service.removeprefix(f"{subject.name}-"), service)
