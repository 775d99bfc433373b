"""What the world answers when it is asked. A failed read is a value here, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Failure(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"


@dataclass(frozen=True)
class NoAnswer:
    """The metrics source could not be asked, or would not answer."""

    failure: Failure
    message: str


@dataclass(frozen=True)
class Series:
    """One time series: its labels and its raw samples as (unix seconds, value), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SeriesSet:
    """The answer to a query: of a range selector all samples, of an instant query one sample a series."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


MetricsAnswer = SeriesSet | NoAnswer


class ProbeOutcome(StrEnum):
    """What came of a sample request to one pod."""

    ANSWERED = "Answered"
    FAILED = "Failed"
    UNREACHABLE = "Unreachable"


@dataclass(frozen=True)
class ProbeAnswer:
    """The outcome of a sample request and, where it failed, Triton's own words."""

    outcome: ProbeOutcome
    message: str = ""
