"""The output of `serinus simulate` as JSON, for scripts: the keys are a contract (docs/simulate.md)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from serinus.cli.simulate.options import SimulateOptions
from serinus.core.model.kinds import Json

if TYPE_CHECKING:
    from serinus.simulation.manifest.odds import Odds, Spread
    from serinus.simulation.manifest.subject import Subject


def written(subject: Subject, options: SimulateOptions, odds: Sequence[Odds], told: str, advised: Sequence[str]) -> str:
    """Write everything that the page shows."""
    answer = {
        "namespace": subject.namespace,
        "name": subject.name,
        "requestsPerSecond": options.requests_per_s,
        "scrapeIntervalSeconds": options.scrape_s or subject.interval_s,
        "gateways": options.gateways,
        "historySeconds": options.history_s,
        "seed": options.seed,
        "sentence": told,
        "advice": list(advised),
        "odds": [_row(one) for one in odds],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def _row(one: Odds) -> Json:
    scenario = one.scenario
    return {
        "rule": one.rule,
        "version": scenario.label,
        "harmful": scenario.harmful,
        "noise": scenario.noise,
        "errorRate": scenario.stable_rate,
        "newErrorRate": scenario.canary_rate,
        "latencyFactor": scenario.latency_factor,
        "runs": one.runs,
        "reverted": one.reverted,
        "revertedByLimit": one.by_limit,
        "revertedByMetric": dict(one.by_metric),
        "revertedAfterFullTraffic": one.after_full,
        "promoted": one.promoted,
        "held": one.held,
        "secondsToRevert": _spread(one.detected_s),
        "secondsToFullTraffic": _spread(one.full_s),
        "wrongAnswers": _spread(one.wrong),
        "newVersionsAnswers": _spread(one.served),
    }


def _spread(spread: Spread | None) -> Json | None:
    return None if spread is None else {"p50": round(spread.median, 3), "p95": round(spread.p95, 3)}
