"""Increments of one monotonic counter series, whatever the exporter does to it.

Stands apart from the tests because the threshold policy needs it too, and because it is plain Python:
importing it must not cost numpy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

COUNTER_SCHEMA: Final = 1


class CounterTracker:
    """Turn the raw samples of one series into increments (STATISTICS 3.8).

    One tracker follows one scrape target and label set; increments are summed over trackers afterwards, never
    the other way round: a sum of counters falls whenever one pod restarts, and its difference then lies.

    `baseline_first` says what a first sample means when its creation time is unknown: True takes it as the
    baseline (a series that is older than the rollout), False counts it in full (a new label set on a target that
    was seen before). A known creation time decides by itself: at or after `rollout_started_s` counts in full.
    """

    __slots__ = ("_created_s", "_timestamp_s", "_value", "baseline_first", "rollout_started_s", "series_key")

    def __init__(
        self,
        series_key: object,
        *,
        baseline_first: bool = True,
        rollout_started_s: float = 0.0,
    ) -> None:
        self.series_key = series_key
        self.baseline_first = baseline_first
        self.rollout_started_s = float(rollout_started_s)
        self._value: float | None = None
        self._timestamp_s: float | None = None
        self._created_s: float | None = None

    @property
    def value(self) -> float | None:
        """The newest sample that was accepted."""
        return self._value

    def update(
        self,
        value: float | None,
        timestamp_s: float,
        created_s: float | None = None,
    ) -> float | None:
        """Return the increment since the last accepted sample.

        None means that this sample says nothing: it is missing, NaN, infinite or negative, or its timestamp is
        not newer than the last one's. A baseline is an answer and gives 0.0. A gap is covered by the next
        increment, because these are counts and not rates.
        """
        clean = _count_or_none(value)
        time_s = _finite_or_none(timestamp_s)
        if clean is None or time_s is None:
            return None
        if self._timestamp_s is not None and time_s <= self._timestamp_s:
            return None
        increment = self._increment(clean, _finite_or_none(created_s))
        self._value = clean
        self._timestamp_s = time_s
        return increment

    def _increment(self, value: float, created_s: float | None) -> float:
        reborn = created_s is not None and self._created_s is not None and created_s > self._created_s
        if created_s is not None:
            self._created_s = created_s
        if self._value is None:
            return self._first_increment(value, created_s)
        if reborn or value < self._value:
            return value
        return value - self._value

    def _first_increment(self, value: float, created_s: float | None) -> float:
        if created_s is None:
            return 0.0 if self.baseline_first else value
        return value if created_s >= self.rollout_started_s else 0.0

    def to_dict(self) -> dict[str, Any]:
        """State as JSON values."""
        return {
            "schema": COUNTER_SCHEMA,
            "seriesKey": self.series_key,
            "baselineFirst": self.baseline_first,
            "rolloutStarted": self.rollout_started_s,
            "value": self._value,
            "timestamp": self._timestamp_s,
            "created": self._created_s,
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> CounterTracker:
        """Rebuild a tracker; ValueError when the state was written in a schema that we do not know."""
        if state.get("schema") != COUNTER_SCHEMA:
            raise ValueError(f"counter state has schema {state.get('schema')!r}, this version reads {COUNTER_SCHEMA}")
        tracker = cls(
            state["seriesKey"],
            baseline_first=bool(state["baselineFirst"]),
            rollout_started_s=state["rolloutStarted"],
        )
        tracker._value = state["value"]
        tracker._timestamp_s = state["timestamp"]
        tracker._created_s = state["created"]
        return tracker


def _finite_or_none(value: float | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _count_or_none(value: float | None) -> float | None:
    number = _finite_or_none(value)
    return number if number is not None and number >= 0.0 else None
