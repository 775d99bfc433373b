"""What one scrape says about a metric: increments since the last one, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Pair = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class ShareObservation:
    """(requests, events) of both arms, and of the two halves of champion's pods where series are per pod."""

    challenger: Pair | None
    champion: Pair | None = None
    champion_a: Pair | None = None
    champion_b: Pair | None = None


@dataclass(frozen=True, slots=True)
class HistogramObservation:
    """Observations per bucket (not cumulative), [J+1]; either `champion` or both of its halves."""

    challenger: Any
    champion: Any = None
    champion_a: Any = None
    champion_b: Any = None


@dataclass(frozen=True, slots=True)
class DriftObservation:
    """Requests per bin, [K]."""

    challenger: Any
    champion: Any = None


@dataclass(frozen=True, slots=True)
class ScalarObservation:
    """One value an arm for a block that has just ended."""

    challenger: float | None
    champion: float | None
    n_challenger: float | None = None
    n_champion: float | None = None


MetricObservation = ShareObservation | HistogramObservation | DriftObservation | ScalarObservation
_KINDS: Mapping[str, type[Any]] = {
    "share": ShareObservation,
    "latency": HistogramObservation,
    "drift": DriftObservation,
    "scalar": ScalarObservation,
}


def parse_observation(kind: str, value: Any) -> Any:
    """The observation of a metric of `kind` from itself, a mapping, a (challenger, champion) pair, or None."""
    wanted = _KINDS[kind]
    if value is None or isinstance(value, wanted):
        return value
    if isinstance(value, Mapping):
        return wanted(**value)
    if isinstance(value, tuple | list) and len(value) == 2:
        return wanted(value[0], value[1])
    raise TypeError(f"a {kind} metric is observed by a {wanted.__name__}, not by {type(value).__name__}")
