"""Formats numbers and durations for an incident report."""

from __future__ import annotations

from serinus.api.parsing import unix_seconds
from serinus.api.policy import Metric, Preset
from serinus.core.analysis.words import LARGEST_SPELT, shown_duration, shown_number, shown_value, what_counts

NOTHING = "-"
IF_EQUAL = "if both versions were equal"


def counted(number: float) -> str:
    """Write a count with its thousands apart: 44,120."""
    return f"{number:,.0f}"


def one_in(e_value: float) -> str:
    """Write an e-value as odds: 1 in 132; below 1.5 there is nothing to write."""
    if e_value < 1.5:
        return NOTHING
    if e_value >= LARGEST_SPELT:
        return f"1 in {e_value:.0e}".replace("e+", "e")
    return f"1 in {counted(e_value)}" if e_value >= 10 else f"1 in {e_value:.2g}"


def odds(e_value: float) -> str:
    """Write an e-value as odds before a noun's place: 1-in-132 odds."""
    return f"{one_in(e_value).replace('1 in ', '1-in-')} odds"


def rated(metric: Metric | None, rate: float | None, requests: float) -> str:
    """Write a rate and what it rests on: 1.05% of 2,341."""
    if rate is None:
        return f"{counted(requests)} {what_counts(metric)}" if requests else NOTHING
    shown = shown_number(metric, rate)
    return f"{shown} of {counted(requests)}" if requests else shown


def bounded(estimate: float | None, lower: float | None, upper: float | None, *, percent: bool = False) -> str:
    """Write an estimate with its bounds: 52 (12 to 300)."""
    if estimate is None:
        return NOTHING
    if lower is None:
        return _short(estimate, percent=percent)
    if upper is None:
        return f"{_short(estimate, percent=percent)} (at least {_short(lower, percent=percent)})"
    shown = [_short(number, percent=percent) for number in (estimate, lower, upper)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def took(first: str, last: str) -> str:
    """Say how much time lies between two stored times: 6 s, 12 min."""
    return shown_duration(max(0.0, unix_seconds(last) - unix_seconds(first)))


def limit_of(metric: Metric) -> str:
    """Write the limit as the manifest has it: max 5%."""
    bounds = metric.bounds
    return ", ".join(f"{name} {value}" for name, value in (("min", bounds.min), ("max", bounds.max)) if value)


def _short(number: float, *, percent: bool) -> str:
    if percent:
        return shown_value(Preset.ERROR_RATE, number)
    return f"{number:.3g}" if number < 1000 else counted(number)
