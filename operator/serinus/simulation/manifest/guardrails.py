"""All limits of one policy, for R rollouts at once."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from serinus.api.durations import seconds
from serinus.api.policy import Analysis, Metric, Mode, Preset
from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.core.analysis.threshold import DEFAULT_WINDOW
from serinus.simulation.guardrail import Counted, Guarded, Guardrail, GuardrailBank
from serinus.simulation.manifest.subject import ISTIO_BOUNDS_S, made_up
from serinus.simulation.manifest.traffic import Sample

READS: Final[dict[Preset, Literal["share", "quantile", "requests"]]] = {
    Preset.ERROR_RATE: "share",
    Preset.LATENCY: "quantile",
    Preset.REQUEST_COUNT: "requests",
}


class Guardrails:
    """One guardrail a metric; one that is watched only never decides."""

    def __init__(self, analysis: Analysis, runs: int, scrape_s: float) -> None:
        self.runs = runs
        metrics = [metric for metric in analysis.metrics if made_up(metric)]
        self.banks = [GuardrailBank(guardrail_of(metric, analysis), runs, scrape_s) for metric in metrics]
        self.gating = [metric.gating is not False for metric in metrics]

    def look(self, t: float, sample: Sample, weight: Floats, began: Bools) -> Guarded:
        """Judge one look of all metrics."""
        unsafe, failing = np.zeros((2, self.runs), dtype=np.bool_)
        safe = np.ones(self.runs, dtype=np.bool_)
        scrape = _counted(sample)
        for bank, gating in zip(self.banks, self.gating, strict=True):
            found = bank.look(t, scrape, weight, began)
            if gating:
                failing = failing | found.failing
                unsafe, safe = unsafe | found.unsafe, safe & found.safe
        return Guarded(unsafe, safe, failing)


def guardrail_of(metric: Metric, analysis: Analysis) -> Guardrail:
    """Read the guardrail of a preset; outside Sequential mode the limit is literal, whatever stable does."""
    assert metric.preset is not None
    return Guardrail(
        upper=metric.bounds.upper,
        lower=metric.bounds.lower,
        min_samples=metric.min_samples or 0,
        window_s=seconds(metric.window) if metric.window else DEFAULT_WINDOW,
        failure_limit=metric.failure_limit or 0,
        reads=READS[metric.preset],
        quantile=float(metric.quantile or "0.99"),
        bounds_s=ISTIO_BOUNDS_S,
        excuses=analysis.mode is Mode.SEQUENTIAL,
    )


def _counted(sample: Sample) -> Counted:
    counts = np.stack((sample.n_c, sample.x_c, sample.n_s, sample.x_s))
    if sample.h_c is None or sample.h_s is None:
        return Counted(counts)
    return Counted(counts, np.concatenate((sample.h_c, sample.h_s), axis=1))
