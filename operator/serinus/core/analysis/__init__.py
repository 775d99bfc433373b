"""Turns what Prometheus says into a verdict: PromQL text, counters, thresholds and sequential tests.

The names of the statistical core are re-exported here and loaded on first use: importing this package must not cost
numpy and scipy, which a process without a live sequential rollout never needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from serinus.core.analysis.counters import CounterTracker
    from serinus.core.analysis.sequential.bounds import confidence_bounds
    from serinus.core.analysis.sequential.calibration import AACalibrator
    from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
    from serinus.core.analysis.sequential.drift import DriftTest
    from serinus.core.analysis.sequential.evidence import Evidence
    from serinus.core.analysis.sequential.evidence import MonitorVerdict as Verdict
    from serinus.core.analysis.sequential.histogram import HistogramTest
    from serinus.core.analysis.sequential.limit import LimitTest
    from serinus.core.analysis.sequential.monitor import RolloutMonitor
    from serinus.core.analysis.sequential.observations import (
        DriftObservation,
        HistogramObservation,
        ScalarObservation,
        ShareObservation,
    )
    from serinus.core.analysis.sequential.proportion import ProportionTest
    from serinus.core.analysis.sequential.scalar import ScalarTest
    from serinus.core.analysis.sequential.state import UnknownStateSchemaError

_SEQUENTIAL: Final = "serinus.core.analysis.sequential."
_HOMES: Final[dict[str, str]] = {
    "AACalibrator": _SEQUENTIAL + "calibration",
    "CounterTracker": "serinus.core.analysis.counters",
    "DriftObservation": _SEQUENTIAL + "observations",
    "DriftTest": _SEQUENTIAL + "drift",
    "Evidence": _SEQUENTIAL + "evidence",
    "HistogramObservation": _SEQUENTIAL + "observations",
    "HistogramTest": _SEQUENTIAL + "histogram",
    "LimitTest": _SEQUENTIAL + "limit",
    "MetricConfig": _SEQUENTIAL + "config",
    "MonitorConfig": _SEQUENTIAL + "config",
    "ProportionTest": _SEQUENTIAL + "proportion",
    "RolloutMonitor": _SEQUENTIAL + "monitor",
    "ScalarObservation": _SEQUENTIAL + "observations",
    "ScalarTest": _SEQUENTIAL + "scalar",
    "ShareObservation": _SEQUENTIAL + "observations",
    "UnknownStateSchemaError": _SEQUENTIAL + "state",
    "Verdict": _SEQUENTIAL + "evidence",
    "confidence_bounds": _SEQUENTIAL + "bounds",
}

DEFINED_AS: Final = {"Verdict": "MonitorVerdict"}
"""To the operator a Verdict is what an assessment says; whoever uses this package alone knows the monitor's."""

__all__ = [
    "AACalibrator",
    "CounterTracker",
    "DriftObservation",
    "DriftTest",
    "Evidence",
    "HistogramObservation",
    "HistogramTest",
    "LimitTest",
    "MetricConfig",
    "MonitorConfig",
    "ProportionTest",
    "RolloutMonitor",
    "ScalarObservation",
    "ScalarTest",
    "ShareObservation",
    "UnknownStateSchemaError",
    "Verdict",
    "confidence_bounds",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(home), DEFINED_AS.get(name, name))
    globals()[name] = value
    return value
