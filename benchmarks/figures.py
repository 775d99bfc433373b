"""Figures: what was found so far, quantiles, the load beside them, what two pages of the operator's metrics tell."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

Samples: TypeAlias = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""A page of metrics: values by name and labels."""
Numbers: TypeAlias = dict[str, Any]
_BARE = frozenset[tuple[str, str]]()
LONGEST_TOLD = 500
"""Characters of an error."""


class Findings:
    """All figures so far. A file is written anew with each: an hour's figures must not be lost with its last minute."""

    def __init__(self, file: Path | None = None) -> None:
        self.numbers: Numbers = {}
        self._file = file

    def add(self, more: Mapping[str, Any]) -> None:
        """Add figures; under keys that are there already they are put beside what is there."""
        _put_beside(self.numbers, more)
        if self._file is not None:
            self._file.write_text(json.dumps(self.numbers, indent=1) + "\n")

    def fail(self, part: str, error: BaseException) -> str:
        """Note that a part could not be measured to its end; gives the error in short."""
        text = f"{type(error).__name__}: {error}"[:LONGEST_TOLD]
        self.add({"failed_parts": {part: text}})
        return text

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing has failed."""
        return "failed_parts" not in self.numbers


def _put_beside(known: Numbers, more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(known.get(key), dict):
            _put_beside(known[key], value)
        else:
            known[key] = dict(value) if isinstance(value, Mapping) else value


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of them does not exceed; raises ValueError where there are none."""
    if not values:
        raise ValueError("no values: nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def spread(values: Sequence[float]) -> Numbers:
    """Give median and 99th percentile of some seconds, and how many they are."""
    return {"p50": round(quantile(values, 0.5), 3), "p99": round(quantile(values, 0.99), 3), "measured": len(values)}


def load() -> float:
    """Give the machine's load of the last minute; our own work is part of it."""
    return round(os.getloadavg()[0], 1)


def pass_ms(before: Samples, after: Samples) -> float:
    """Give the mean duration in milliseconds of the passes between two pages; 0 where there was none."""
    took = after["serinus_pass_seconds_sum", _BARE] - before["serinus_pass_seconds_sum", _BARE]
    ran = passes(after) - passes(before)
    return took / ran * 1000 if ran else 0.0


def passes(page: Samples) -> float:
    """Count the passes so far."""
    return page.get(("serinus_pass_seconds_count", _BARE), 0.0)


def waiting(page: Samples) -> float:
    """Count the ModelDeployments that wait for a pass."""
    return page.get(("serinus_queue_depth", _BARE), 0.0)


def led(page: Samples) -> frozenset[int]:
    """Name the shards that the process leads."""
    shards = (dict(labels)["shard"] for (name, labels), value in page.items() if name == "serinus_leader" and value)
    return frozenset(map(int, shards))


def requests_by_verb(page: Samples) -> dict[str, float]:
    """Count the requests to the API server by verb, as the operator counts them."""
    counted = ((dict(labels), value) for (name, labels), value in page.items() if name == "serinus_api_requests_total")
    return {labels["verb"]: value for labels, value in counted}


def more_requests(before: Samples, after: Samples) -> dict[str, float]:
    """Count by verb the requests between two pages; verbs without any are left out."""
    known, now = requests_by_verb(before), requests_by_verb(after)
    return {verb: grown for verb, value in sorted(now.items()) if (grown := value - known.get(verb, 0.0))}


def flattened(numbers: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Give each figure with the path of its keys, for a table."""
    for key, value in numbers.items():
        path = f"{before} / {key}" if before else key
        if isinstance(value, Mapping):
            yield from flattened(value, path)
        else:
            yield path, str(value)
