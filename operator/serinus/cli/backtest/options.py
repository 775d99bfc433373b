"""The options of `serinus backtest`: times, and durations before now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import typer

from serinus.adapters.clock import SystemClock
from serinus.api.durations import seconds
from serinus.core.model.source import Source


@dataclass(frozen=True)
class BacktestOptions:
    """The options of the command; times in unix seconds."""

    source: Source
    start: float
    end: float
    services: tuple[str, ...] = ()
    pods: bool = False


def options_of(*, source: Source, since: str, until: str, services: Sequence[str], pods: bool) -> BacktestOptions:
    """Read them; raises typer.BadParameter, which names the option."""
    now = SystemClock().now()
    start, end = _moment("--from", since, now), _moment("--to", until, now)
    if start >= end:
        raise typer.BadParameter("--from must be before --to")
    return BacktestOptions(source, start, end, tuple(services), pods)


def _moment(option: str, text: str, now: float) -> float:
    """A time (UTC where it names no zone), or a duration before now."""
    if _is_duration(text):
        return now - seconds(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(
            f"{option} must be a time such as 2026-01-31T08:00:00Z, or a duration such as 6h"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_duration(text: str) -> bool:
    try:
        seconds(text)
    except ValueError:
        return False
    return True
