"""Which looks press: those after which a pass may take weight away."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.api.defaults import policy_of
from serinus.api.status import Verdict
from serinus.core.analysis.promql import Arm
from serinus.core.model.assessment import Look, Measured, Missing, Observation, Reading, Reason
from serinus.core.model.identity import Key
from serinus.runtime.watch import Watch, exceeds_a_limit
from tests.unit.core.rollout.given import ERROR_RATE, spec

LATENCY: dict[str, Any] = {"name": "latency", "preset": "latency", "quantile": "0.99", "thresholdRange": {"max": "0.5"}}
UNKNOWN = Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, "too few requests")


def measured(value: float) -> Measured:
    return Measured(value, samples=100, newest=1.0)


@pytest.mark.parametrize(
    ("gating", "errors", "latency", "presses"),
    [
        (True, measured(0.9), measured(0.1), True),
        (True, measured(0.0), measured(0.1), False),
        (False, measured(0.9), measured(0.1), False),
        (False, measured(0.9), measured(0.9), True),
        (True, UNKNOWN, UNKNOWN, False),
    ],
    ids=["over its limit", "within it", "over that of a metric that is only shown", "over another, too", "unknown"],
)
def test_a_look_presses_where_a_limit_that_reverts_is_exceeded(
    gating: bool, errors: Reading, latency: Reading, presses: bool
) -> None:
    """A metric with `gating: false` never takes weight away, so its value hurries nobody, however long it is over."""
    metrics = [{**ERROR_RATE, "gating": gating}, LATENCY]
    analysis = policy_of(spec(analysis={"mode": "Sequential", "metrics": metrics, "interval": "1s"})).analysis
    watch = Watch(Key("ml", "fraud"), "uid", Arm("ml", "fraud", "c", "f-c"), None, analysis, 0.0)
    values = {ERROR_RATE["name"]: errors, LATENCY["name"]: latency}
    look = Look(1.0, {name: Observation(value, None, "") for name, value in values.items()})
    assert exceeds_a_limit(watch, look) is presses
