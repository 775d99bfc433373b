"""Commands that ask no cluster: what a policy would do or would have done, and what another tool's manifest becomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from serinus.cli.options import Plot, SourceConfig, SourceName
from serinus.cli.session import told
from serinus.cli.simulate.arguments import Gateways, History, Longest, Runs, ScrapeInterval, StableLatency


def simulate(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="Manifest with the ModelDeployment.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the ModelDeployment, if the file has several.")
    ] = None,
    rate: Annotated[
        float, typer.Option("--rate", min=0.001, help="Requests per second, both versions together.")
    ] = 100.0,
    error_rate: Annotated[str, typer.Option("--error-rate", help="Error rate of the stable version.")] = "0.1%",
    bad_error_rate: Annotated[str, typer.Option("--bad-error-rate", help="Error rate of a bad version.")] = "1%",
    latency_factor: Annotated[
        float, typer.Option("--latency-factor", min=1, help="How many times slower a slow version is.")
    ] = 2.0,
    noise: Annotated[str, typer.Option("--noise", help="iid, storms, outage, diurnal, sticky or all.")] = "iid",
    stable_latency: StableLatency = None,
    scrape_interval: ScrapeInterval = None,
    gateways: Gateways = 1,
    history: History = "0s",
    longest: Longest = None,
    runs: Runs = 100,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare with the documented rules of Argo Rollouts and Flagger.")
    ] = False,
    promoted_after: Annotated[
        str, typer.Option("--promoted-after", help="How long a pause without a duration is assumed to last.")
    ] = "10m",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    plot: Plot = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")] = 1,
) -> None:
    """Run a manifest's policy against simulated traffic: how often does it revert, how soon, at what cost?"""
    from serinus.cli.simulate.command import simulate as simulated
    from serinus.cli.simulate.options import options_of

    options = options_of(
        rate=rate,
        error_rate=error_rate,
        bad_error_rate=bad_error_rate,
        latency_factor=latency_factor,
        noise=noise,
        stable_latency=stable_latency,
        scrape_interval=scrape_interval,
        gateways=gateways,
        history=history,
        longest=longest,
        runs=runs,
        seed=seed,
        compare=compare,
        promoted_after=promoted_after,
    )
    with told():
        simulated(file, name, options, as_json=as_json, plot=plot)


def backtest(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="Manifest with the ModelDeployment.")],
    since: Annotated[str, typer.Option("--from", help="Start: 2026-01-31T08:00:00Z, or 6h for six hours ago.")],
    prometheus: Annotated[
        str | None, typer.Option("--prometheus", help="URL of the Prometheus with the series.")
    ] = None,
    config: SourceConfig = None,
    source: SourceName = None,
    until: Annotated[str, typer.Option("--to", help="End; now by default.")] = "0s",
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the ModelDeployment, if the file has several.")
    ] = None,
    service: Annotated[
        list[str] | None,
        typer.Option("--service", help="Service of a revision; by default all of them."),
    ] = None,
    pods: Annotated[
        bool, typer.Option("--pods", help="Compare a revision with itself, pod by pod, to count false alarms.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Replay a policy against recorded series: which past rollouts would it have reverted, and why?"""
    from serinus.cli.backtest.command import backtest as backtested
    from serinus.cli.backtest.options import options_of
    from serinus.cli.sources import chosen_source

    with told():
        asked = chosen_source(prometheus, config, source)
        options = options_of(source=asked, since=since, until=until, services=service or [], pods=pods)
        backtested(file, name, options, as_json=as_json)


def convert(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="Manifests of the other tool; - reads standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Turn an Argo Rollout, Flagger Canary or KServe InferenceService into a ModelDeployment; say what has no equal."""
    from serinus.cli.convert.command import convert as converted

    with told():
        converted(file, as_json=as_json)
