"""A monitor of one stage, and scrapes for it at five seconds each."""

from __future__ import annotations

from typing import Any

from serinus.core.analysis import MetricConfig, MonitorConfig, RolloutMonitor, Verdict

GOOD = {"challenger": (200, 0), "champion": (800, 0)}
ERROR_RATE = MetricConfig("error-rate", limit=0.05)
LATENCY = MetricConfig("latency", "latency", bounds_s=(0.1, 0.2, 0.4))
DRIFT = MetricConfig("drift", "drift", bins=5)


def monitor(*metrics: MetricConfig, **policy: Any) -> RolloutMonitor:
    """Watch these metrics, or one error rate, at 20 % with 40 % to follow."""
    watched = RolloutMonitor(MonitorConfig(metrics=metrics or (ERROR_RATE,), **policy))
    watched.start_stage(20, 40, 0.0)
    return watched


def feed(watched: RolloutMonitor, scrapes: int, observation: Any, first: int = 1, **others: Any) -> Verdict:
    """Show so many scrapes of the error rate, each with the same counts."""
    for index in range(first, first + scrapes):
        verdict = watched.observe(5.0 * index, {"error-rate": observation, **others})
    return verdict
