"""Reads what was typed after `serinus simulate`: shares, durations, kinds of noise."""

from __future__ import annotations

import typer

from serinus.api.durations import in_base_units, seconds
from serinus.cli.simulate.command import NOISES, SimulateOptions


def wish_of(
    *,
    rate: float,
    error_rate: str,
    bad_error_rate: str,
    latency_factor: float,
    noise: str,
    runs: int,
    seed: int,
    compare: bool,
    promoted_after: str,
) -> SimulateOptions:
    """Make the wish; raises typer.BadParameter, which names the option."""
    good, bad = _share("--error-rate", error_rate), _share("--bad-error-rate", bad_error_rate)
    if bad <= good:
        raise typer.BadParameter("--bad-error-rate must be above --error-rate")
    if noise != "all" and noise not in NOISES:
        raise typer.BadParameter(f"--noise must be one of {', '.join(NOISES)} and all")
    noises = tuple(NOISES) if noise == "all" else (noise,)
    wait_s = _seconds("--promoted-after", promoted_after)
    return SimulateOptions(rate, good, bad, latency_factor, noises, runs, seed, compare, wait_s)


def _share(option: str, text: str) -> float:
    try:
        share = in_base_units(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error
    if not 0.0 <= share < 1.0:
        raise typer.BadParameter(f"{option} must be a share of requests, such as 0.1%")
    return share


def _seconds(option: str, text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error
