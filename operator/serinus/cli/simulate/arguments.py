"""The words on the command line that say what the simulated world is like, as typer reads them."""

from __future__ import annotations

from typing import Annotated

import typer

StableLatency = Annotated[
    str | None,
    typer.Option("--stable-latency", help="Stable's latency, such as 12ms, at the quantile of the latency metric."),
]
ScrapeInterval = Annotated[
    str | None,
    typer.Option("--scrape-interval", help="How often Prometheus scrapes; by default the policy's interval."),
]
Gateways = Annotated[
    int, typer.Option("--gateways", min=1, max=100, help="Gateway replicas, each scraped at its own seconds.")
]
History = Annotated[str, typer.Option("--history", help="How much of stable's past Prometheus has, such as 1h.")]
Longest = Annotated[
    str | None,
    typer.Option("--longest", help="When to stop; by default 20 min after the last pause, at an interval of 5 s."),
]
Runs = Annotated[
    int, typer.Option("--runs", min=1, max=100_000, help="Number of rollouts per version: none in N is < 3 in N.")
]
