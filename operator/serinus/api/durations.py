"""Go durations (`5m`, `1h30m`, `500ms`) and thresholds (`0.05`, `5%`, `250ms`) as numbers in base units."""

from __future__ import annotations

import re
from functools import lru_cache

GO_DURATION = r"^([0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h))+$"
"""At most six digits a part: with sixteen characters in all no duration overflows CEL's nanoseconds."""
WHOLE_DURATION = r"^([0-9]{1,5}(ms|s|m|h)){1,4}$"
"""What an HTTPRoute takes: at most four parts, and no fractions."""
THRESHOLD = r"^-?[0-9]{1,12}(\.[0-9]{1,9})?(us|ms|s|%)?$"

_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_THRESHOLD = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(us|ms|s|%)?")
_BASE_UNITS = {None: 1.0, "us": 1e-6, "ms": 1e-3, "s": 1.0, "%": 0.01}


@lru_cache(maxsize=4096)
def seconds(duration: str) -> float:
    """Convert a Go duration to seconds; raises ValueError."""
    if not re.fullmatch(GO_DURATION, duration):
        raise ValueError(f"{duration!r} is not a duration: write it as 30s, 5m or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(duration))


@lru_cache(maxsize=4096)
def in_base_units(threshold: str) -> float:
    """Convert a threshold to its base unit (a ratio, seconds, or a plain number); raises ValueError."""
    match = _THRESHOLD.fullmatch(threshold)
    if match is None:
        raise ValueError(f"{threshold!r} is not a threshold: write it as 0.05, 5% or 250ms")
    return float(match[1]) * _BASE_UNITS[match[2]]


def share(text: str) -> float:
    """Convert a share (`0.01`, `1%`) to a ratio."""
    return float(text.removesuffix("%")) * (0.01 if text.endswith("%") else 1.0)
