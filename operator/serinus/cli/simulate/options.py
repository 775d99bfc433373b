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
    runs: int = 1000
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
