"""The options of `serinus simulate`: shares, durations, kinds of noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import typer

from serinus.api.durations import in_base_units, seconds

if TYPE_CHECKING:
    from serinus.simulation.traffic import Noise

NOISES: Final[Mapping[str, Noise]] = {
    "iid": "iid",
    "storms": "burst",
    "outage": "outage",
    "diurnal": "diurnal",
    "sticky": "sticky",
}


@dataclass(frozen=True)
class SimulateOptions:
    """The options of the command; rates are shares of requests."""

    requests_per_s: float = 100.0
    error_rate: float = 0.001
    bad_error_rate: float = 0.01
    latency_factor: float = 2.0
    noises: tuple[str, ...] = ("iid",)
    stable_latency_s: float | None = None
    scrape_s: float | None = None
    gateways: int = 1
    history_s: float = 0.0
    longest_s: float | None = None
    runs: int = 100
    seed: int = 1
    compare: bool = False
    promoted_after_s: float = 600.0


def options_of(
    *,
    rate: float,
    error_rate: str,
    bad_error_rate: str,
    latency_factor: float,
    noise: str,
    stable_latency: str | None,
    scrape_interval: str | None,
    gateways: int,
    history: str,
    longest: str | None,
    runs: int,
    seed: int,
    compare: bool,
    promoted_after: str,
) -> SimulateOptions:
    """Read them; raises typer.BadParameter, which names the option."""
    good, bad = _share("--error-rate", error_rate), _share("--bad-error-rate", bad_error_rate)
    if bad <= good:
        raise typer.BadParameter("--bad-error-rate must be above --error-rate")
    if noise != "all" and noise not in NOISES:
        raise typer.BadParameter(f"--noise must be one of {', '.join(NOISES)} and all")
    noises = tuple(NOISES) if noise == "all" else (noise,)
    return SimulateOptions(
        requests_per_s=rate,
        error_rate=good,
        bad_error_rate=bad,
        latency_factor=latency_factor,
        noises=noises,
        stable_latency_s=None if stable_latency is None else _positive("--stable-latency", stable_latency),
        scrape_s=None if scrape_interval is None else _scrape("--scrape-interval", scrape_interval),
        gateways=gateways,
        history_s=_seconds("--history", history),
        longest_s=None if longest is None else _positive("--longest", longest),
        runs=runs,
        seed=seed,
        compare=compare,
        promoted_after_s=_seconds("--promoted-after", promoted_after),
    )


def _share(option: str, text: str) -> float:
    try:
        share = in_base_units(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error
    if not 0.0 <= share < 1.0:
        raise typer.BadParameter(f"{option} must be a share of requests, such as 0.1%")
    return share


def _positive(option: str, text: str) -> float:
    found = _seconds(option, text)
    if found <= 0.0:
        raise typer.BadParameter(f"{option} must be above 0")
    return found


def _scrape(option: str, text: str) -> float:
    found = _seconds(option, text)
    if not 1.0 <= found <= 300.0:
        raise typer.BadParameter(f"{option} must be between 1s and 5m")
    return found


def _seconds(option: str, text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from error
