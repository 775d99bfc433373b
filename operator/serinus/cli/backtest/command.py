"""`serinus backtest`: a manifest's policy against real traffic, as Prometheus recorded it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress

from serinus.adapters.prometheus.ranges import RangeQueries
from serinus.api.policy import Metric, Provider
from serinus.cli.backtest.fetch import Asks, QueryRange, fetch, istio_range_queries, providers, triton_query
from serinus.cli.backtest.options import BacktestOptions
from serinus.cli.backtest.own import OwnAnswers, own_answers
from serinus.cli.backtest.page import page, sentence, written
from serinus.cli.errors import Refused
from serinus.cli.simulate.command import read
from serinus.cli.watching import console
from serinus.core.analysis.exposition import READERS
from serinus.core.analysis.lines import Totals
from serinus.core.model.answers import Series
from serinus.simulation.backtest.halves import ARMS, pod_trials, split_reader
from serinus.simulation.backtest.looks import Arms, Looks
from serinus.simulation.backtest.record import Record, Records, increments_by_owner, trials
from serinus.simulation.backtest.replay import Replayed, Trial, played_s, replay
from serinus.simulation.manifest.subject import Subject

PERSON_S = 600.0


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


def replayed_from(source: Asks, subject: Subject, options: BacktestOptions) -> tuple[Replayed, ...]:
    """Replay every past rollout of the span, or every pod against the others."""
    span = QueryRange(options.start, options.end, options.step or max(1.0, subject.interval_s))
    return _by_pods(source, subject, options, span) if options.pods else _by_revisions(source, subject, options, span)


def _by_revisions(source: Asks, subject: Subject, options: BacktestOptions, span: QueryRange) -> tuple[Replayed, ...]:
    records = asyncio.run(_records(source, subject, span, _services(subject, options), reporter="source"))
    found = trials(_activity(subject, records.records[0]), subject.policy.guard.seconds)
    own = asyncio.run(_own(source, subject, found, span))
    asked = [record.provider for record in records.records]
    looks = [
        Looks(subject.policy.analysis, {each: _arms(subject, trial, each) for each in asked}, own=own.of(trial))
        for trial in found
    ]
    return _replay_all(subject, list(zip(found, looks, strict=True)), records)


def _activity(subject: Subject, record: Record) -> dict[str, dict[float, Totals]]:
    """The increments of each revision, by the name of its Service."""
    read = READERS[record.provider]
    owners = sorted({meaning.owner for one in record.series if (meaning := read(one.labels))})
    prefix = f"{subject.name}-" if record.provider is Provider.TRITON else ""
    return {prefix + owner[1]: line for owner, line in increments_by_owner(record.series, read, owners).items()}


def _by_pods(source: Asks, subject: Subject, options: BacktestOptions, span: QueryRange) -> tuple[Replayed, ...]:
    """Of presets only: a user's own query knows revisions, not pods."""
    presets = tuple(metric for metric in subject.policy.analysis.metrics if metric.preset is not None)
    if not presets:
        raise Refused("--pods works for presets only, and the policy has none")
    analysis = subject.policy.analysis.model_copy(update={"metrics": presets})
    subject = replace(subject, policy=subject.policy.model_copy(update={"analysis": analysis}))
    records = asyncio.run(_records(source, subject, span, _services(subject, options), reporter="destination"))
    series = [one for record in records.records for one in record.series]
    first = records.records[0].provider
    found = list(pod_trials(first, series, (span.start, span.end), played_s(subject, PERSON_S)))
    asked = [record.provider for record in records.records]
    looks = [
        (each.trial, Looks(analysis, dict.fromkeys(asked, ARMS), readers={p: split_reader(p, each.pod) for p in asked}))
        for each in found
    ]
    return _replay_all(subject, looks, records)


def _replay_all(subject: Subject, rows: Sequence[tuple[Trial, Looks]], records: Records) -> tuple[Replayed, ...]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        return tuple(
            replay(subject, trial, looks, records.batches)
            for trial, looks in progress.track(rows, description="rollouts")
        )


async def _records(source: Asks, subject: Subject, span: QueryRange, services: str, *, reporter: str) -> Records:
    found = []
    for provider in providers(subject.policy.analysis) or (Provider.ISTIO,):
        series: list[Series] = []
        for query in _queries(subject, provider, services, reporter):
            series.extend(await fetch(source, query, span))
        if not series:
            raise Refused(f"no {provider} series in that time range: check namespace {subject.namespace} and --service")
        found.append(Record(provider, tuple(series)))
    return Records(tuple(found))


def _queries(subject: Subject, provider: Provider, services: str, reporter: str) -> list[str]:
    if provider is Provider.TRITON:
        hashes = "|".join(re.sub(rf"^{re.escape(subject.name)}-", "", each) for each in services.split("|"))
        return [triton_query(subject.namespace, hashes)]
    return istio_range_queries(subject.namespace, services, subject.policy.analysis.metrics, reporter=reporter)


def _services(subject: Subject, options: BacktestOptions) -> str:
    """The pattern of the Services' names: those that were named, or every revision's."""
    return "|".join(options.services) if options.services else f"{subject.name}-[0-9a-z]+"


def _arms(subject: Subject, trial: Trial, provider: Provider) -> Arms:
    canary, stable = ((subject.namespace, _owner(subject, name, provider)) for name in (trial.canary, trial.stable))
    return Arms(canary, stable)


def _owner(subject: Subject, name: str, provider: Provider) -> str:
    """A Service's name, or the revision's hash in it."""
    return name.removeprefix(f"{subject.name}-") if provider is Provider.TRITON else name


async def _own(source: Asks, subject: Subject, found: Sequence[Trial], span: QueryRange) -> OwnAnswers:
    metrics: list[Metric] = [metric for metric in subject.policy.analysis.metrics if metric.query is not None]
    return await own_answers(source, subject, metrics, found, span)
