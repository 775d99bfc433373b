"""What one scrape says about a metric: increments since the last one, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

Pair = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class ShareObservation:
    """(requests, events) of both arms, and of the two halves of champion's pods where series are per pod."""

    challenger: Pair | None = None
    champion: Pair | None = None
    champion_a: Pair | None = None
    champion_b: Pair | None = None


@dataclass(frozen=True, slots=True)
class HistogramObservation:
    """Observations per bucket (not cumulative), [J+1]; either `champion` or both of its halves."""

    challenger: Any = None
    champion: Any = None
    champion_a: Any = None
    champion_b: Any = None


@dataclass(frozen=True, slots=True)
class DriftObservation:
    """Requests per bin, [K]."""

    challenger: Any = None
    champion: Any = None


@dataclass(frozen=True, slots=True)
class ScalarObservation:
    """One value an arm for a block that has just ended."""

    challenger: float | None = None
    champion: float | None = None
    n_challenger: float | None = None
    n_champion: float | None = None


MetricObservation = ShareObservation | HistogramObservation | DriftObservation | ScalarObservation
_KINDS: Mapping[str, type[Any]] = {
    "share": ShareObservation,
    "latency": HistogramObservation,
    "drift": DriftObservation,
    "scalar": ScalarObservation,
}


_ARMS_OF = {kind: frozenset(field.name for field in fields(wanted)) for kind, wanted in _KINDS.items()}


def parse_observation(kind: str, value: Any) -> Any:
    """The observation of a metric of `kind` from itself, a mapping or a (challenger, champion) pair.

    None where it is neither: what cannot be read is missing, and one bad answer must not end a look.
    """
    wanted = _KINDS[kind]
    if isinstance(value, wanted):
        return value
    if isinstance(value, Mapping) and _ARMS_OF[kind].issuperset(value):
        return wanted(**value)
    if isinstance(value, tuple | list) and len(value) == 2:
        return wanted(value[0], value[1])
    return None
