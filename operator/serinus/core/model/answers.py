"""Answers from outside the process. A failed read is a value here, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Failure(StrEnum):
    """Why there is no answer."""

    UNREACHABLE = "Unreachable"
    REFUSED = "Refused"
    PARTIAL = "Partial"


@dataclass(frozen=True)
class NoAnswer:
    """The metrics source could not be queried, or did not answer."""

    failure: Failure
    message: str


class LabelSet(dict[str, str]):
    """The labels of one series, which nobody changes: to be found by, each second, among all that are known."""

    __slots__ = ("__weakref__", "_hash")
    _hash: int

    @classmethod
    def of(cls, labels: Mapping[str, str]) -> LabelSet:
        """Give these labels as they are, where they are one already."""
        return labels if isinstance(labels, LabelSet) else cls(labels)

    def __hash__(self) -> int:  # type: ignore[override]
        try:
            return self._hash
        except AttributeError:
            self._hash = hash(frozenset(self.items()))
            return self._hash


@dataclass(frozen=True)
class Series:
    """One time series: its labels and its raw samples as (unix seconds, value), oldest first."""

    labels: Mapping[str, str]
    samples: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class SeriesSet:
    """The answer to a query: of a range selector all samples, of an instant query one sample a series.

    `warnings` are the source's own words: what it could not read, and what it thinks of the query.
    """

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


MetricsAnswer = SeriesSet | NoAnswer
ABOUT_THE_QUERY: Final = ("PromQL info:", "PromQL warning:")
"""How Prometheus' remarks on a query begin; all other warnings are of stores that did not answer."""


def whole(answer: MetricsAnswer) -> MetricsAnswer:
    """Give an answer if it is whole: what a partial one leaves out may be just what matters."""
    if isinstance(answer, NoAnswer):
        return answer
    left_out = [warning for warning in answer.warnings if not warning.startswith(ABOUT_THE_QUERY)]
    if not left_out:
        return answer
    return NoAnswer(Failure.PARTIAL, f"the answer is not whole: {'; '.join(left_out)[:300]}")


class ProbeOutcome(StrEnum):
    """The outcome of a sample request to one pod."""

    ANSWERED = "Answered"
    FAILED = "Failed"
    UNREACHABLE = "Unreachable"


@dataclass(frozen=True)
class ProbeAnswer:
    """The outcome of a sample request and, if it failed, the server's error.

    `silent` is a failure of a server that took the request and never answered it; `blames_caller` says whether the
    status of a refusal does, None where that is not known.
    """

    outcome: ProbeOutcome
    message: str = ""
    silent: bool = False
    blames_caller: bool | None = None

    @property
    def refuses(self) -> bool:
        """Whether the server has refused the request in words."""
        return self.outcome is ProbeOutcome.FAILED and not self.silent and bool(self.message)
