"""Numbers as people say them."""

from __future__ import annotations

from serinus.api.policy import Preset

HOPELESS_REQUESTS = 1_000_000
"""More missing requests than this are no forecast: at the present rates the answer is no."""


def shown_value(preset: Preset | None, value: float) -> str:
    """Write a number as people say it: a rate in percent, a latency in milliseconds."""
    if preset is Preset.ERROR_RATE:
        return f"{value * 100:.3g}%"
    if preset is Preset.LATENCY:
        return f"{value * 1000:.4g}ms"
    return f"{value:.6g}"


def shown_duration(seconds: float) -> str:
    """Write a time as people say it: 90 s, 12 min, 5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
