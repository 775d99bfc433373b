"""`serinus simulate`: a manifest's own policy against simulated traffic, before it is committed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console
from rich.progress import Progress

from serinus.cli.errors import Refused
from serinus.cli.simulate.options import NOISES, SimulateOptions

if TYPE_CHECKING:
    from serinus.simulation.manifest.odds import Odds
    from serinus.simulation.manifest.play import Job
    from serinus.simulation.manifest.remedies import Remedied
    from serinus.simulation.manifest.subject import Subject
    from serinus.simulation.manifest.walk import Outcome

MOST_PROCESSES: Final = 4
MOST_TRIED: Final = 10
"""Rollouts of each change that is tried: enough to tell one that helps from one that does not."""


def simulate(file: Path, name: str | None, options: SimulateOptions, *, as_json: bool, plot: Path | None) -> None:
    """Play, and print the answer."""
    from serinus.cli.simulate.as_json import written
    from serinus.cli.simulate.page import page
    from serinus.cli.watching import console
    from serinus.simulation.manifest.advice import advice
    from serinus.simulation.manifest.odds import odds_of
    from serinus.simulation.manifest.sentence import sentence

    if plot is not None:
        from serinus.cli.plot import require_plot

        require_plot(plot)
    subject = read(file, name)
    jobs = cells(subject, options)
    played = play_all(jobs)
    odds = [odds_of(job.rule, job.scenario, outcome) for job, outcome in zip(jobs, played, strict=True)]
    own = [one for one in odds if one.rule == jobs[0].rule]
    told = sentence(subject, own)
    advised = advice(subject, own, options.promoted_after_s, tried(jobs, own), options.longest_s)
    if as_json:
        typer.echo(written(subject, options, odds, told, advised))
    else:
        console().print(page(subject, options, odds, told, advised))
    if plot is not None:
        from serinus.cli.simulate.plot import draw

        draw(list(zip(jobs, played, strict=True)), told, plot)


def read(file: Path, name: str | None) -> Subject:
    """Read the manifest; raises Refused or UnusableManifest."""
    from serinus.simulation.manifest.subject import read_subject

    try:
        return read_subject(file.read_text(encoding="utf-8"), name)
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused(f"{file} cannot be read: it is not UTF-8 text") from error


def cells(subject: Subject, options: SimulateOptions) -> list[Job]:
    """List what is played: per noise an equal version, a failing one and a slow one, by each rule; raises Refused."""
    from serinus.simulation.manifest.peers import COMPARED
    from serinus.simulation.manifest.play import OURS, Job
    from serinus.simulation.manifest.subject import made_up
    from serinus.simulation.manifest.traffic import Scenario, fitted

    if not any(made_up(metric) for metric in subject.policy.analysis.metrics):
        raise Refused(
            f"no traffic can be simulated for {', '.join(subject.left_out())}, and nothing else is watched: add a"
            " metric such as {name: errors, preset: error-rate}"
        )
    base = Scenario(
        "no change",
        options.requests_per_s,
        options.error_rate,
        options.error_rate,
        scrape_s=options.scrape_s or subject.interval_s,
        gateways=options.gateways,
        history_s=options.history_s,
    )
    worse = replace(base, label=f"{100 * options.bad_error_rate:.3g} % errors", canary_rate=options.bad_error_rate)
    scenarios = [base, worse]
    if any(metric.kind == "latency" for metric in subject.monitor().metrics) and options.latency_factor > 1.0:
        slow = replace(base, label=f"latency x{options.latency_factor:g}", latency_factor=options.latency_factor)
        scenarios.append(slow)
    return [
        Job(subject, fitted(replace(scenario, noise=NOISES[noise]), subject, options.stable_latency_s), options.runs,
            options.seed, rule=rule, promoted_after_s=options.promoted_after_s, longest_s=options.longest_s)
        for noise in options.noises
        for scenario in scenarios
        for rule in (OURS, *(COMPARED if options.compare and scenario.latency_factor == 1.0 else ()))
    ]  # fmt: skip


def tried(jobs: Sequence[Job], own: Sequence[Odds]) -> dict[str, list[Remedied]]:
    """Play what the policy could be changed to, where bad versions get through it."""
    from serinus.simulation.manifest.advice import got_through
    from serinus.simulation.manifest.remedies import Remedied, is_helpful, remedies

    found: dict[str, list[Remedied]] = {}
    equal: dict[str, Odds] = {}
    for bad in got_through(own):
        worse = next(job for job in jobs if job.scenario == bad.scenario)
        changes = {one.words: one.subject for one in remedies(worse.subject)}
        played = _odds_with(changes, worse)
        helpful = {words: changes[words] for words in played if is_helpful(played[words], bad) and words not in equal}
        equal |= _odds_with(helpful, jobs[0])
        found[bad.scenario.label] = [Remedied(words, one, equal.get(words)) for words, one in played.items()]
    return found


def _odds_with(changes: Mapping[str, Subject], job: Job) -> dict[str, Odds]:
    """Play a cell by other policies, a few times each."""
    from serinus.simulation.manifest.odds import odds_of

    jobs = [replace(job, subject=subject, runs=min(job.runs, MOST_TRIED)) for subject in changes.values()]
    outcomes = zip(jobs, play_all(jobs), strict=True)
    odds = (odds_of(each.rule, each.scenario, outcome) for each, outcome in outcomes)
    return dict(zip(changes, odds, strict=True))


def play_all(jobs: Sequence[Job]) -> list[Outcome]:
    """Play in several processes, with a bar; the result does not depend on their number."""
    from serinus.simulation.manifest.play import chunks, play
    from serinus.simulation.manifest.walk import joined

    parts: dict[int, dict[int, Outcome]] = {place: {} for place in range(len(jobs))}
    with Progress(console=Console(stderr=True), transient=True) as progress, _pool() as pool:
        waiting: dict[Future[Outcome], tuple[int, int]] = {
            pool.submit(play, chunk): (place, chunk.chunk)
            for place, job in enumerate(jobs)
            for chunk in chunks(job)
        }  # fmt: skip
        task = progress.add_task("rollouts", total=sum(job.runs for job in jobs))
        for done in as_completed(waiting):
            place, chunk_number = waiting[done]
            parts[place][chunk_number] = done.result()
            progress.advance(task, done.result().runs)
    return [joined([found[number] for number in sorted(found)]) for found in parts.values()]


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(min(os.cpu_count() or 1, MOST_PROCESSES))
