"""A pause that is too short to judge by is told of before anybody meets it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from serinus.api.defaults import policy_of
from serinus.simulation.manifest.pauses import short_pauses
from tests.unit.core.rollout.given import spec

ERRORS = {"name": "errors", "preset": "error-rate", "thresholdRange": {"max": "5%"}}
LATENCY = {"name": "p99", "preset": "latency"}


def told(steps: list[int | str | None], *metrics: dict[str, Any], mode: str = "Sequential", **canary: Any) -> list[int]:
    """Write weights as numbers, pauses as texts, and a pause without an end as None; give the weights told of."""
    written = [
        {"setWeight": step} if isinstance(step, int) else {"pause": {} if step is None else {"duration": step}}
        for step in steps
    ]
    asked = spec(strategy={"canary": {"steps": written, **canary}}, analysis={"mode": mode, "metrics": list(metrics)})
    return [int(re.findall(r"setWeight (\d+)", text)[0]) for text in short_pauses(policy_of(asked))]


@pytest.mark.parametrize(
    ("steps", "metrics", "weights"),
    [
        pytest.param([10, "30s", 50, "30s"], [ERRORS], [], id="two scrapes each"),
        pytest.param([10, "29s", 50, "30s"], [ERRORS], [10], id="a second less"),
        pytest.param([10, "15s", "15s", 50, "30s"], [ERRORS], [], id="pauses add up"),
        pytest.param([10, 50, "30s"], [ERRORS], [10], id="no pause"),
        pytest.param([10, None, 50, "30s"], [ERRORS], [], id="somebody ends it"),
        pytest.param([10, "59s", 50, "30s"], [ERRORS, LATENCY], [10], id="new pods warm up at the first weight"),
        pytest.param([10, "1m", 50, "30s"], [ERRORS, LATENCY], [], id="time to warm up"),
        pytest.param([10, "30s", 50, "30s"], [ERRORS, {**LATENCY, "gating": False}], [], id="latency is watched only"),
        pytest.param([10, "30s", 100, "1s"], [ERRORS], [], id="nothing follows 100 %"),
    ],
)
def test_weights_that_are_left_too_soon(
    steps: list[int | str | None], metrics: list[dict[str, Any]], weights: list[int]
) -> None:
    """Two scrapes at 15 s, after new pods have warmed up where latency gates."""
    assert told(steps, *metrics) == weights


@pytest.mark.parametrize(
    ("mode", "canary"),
    [
        pytest.param("Sequential", {"pace": "Evidence"}, id="pace Evidence"),
        pytest.param("Threshold", {}, id="Threshold"),
    ],
)
def test_what_waits_for_no_comparison_may_be_as_short_as_it_likes(mode: str, canary: dict[str, Any]) -> None:
    assert told([10, "1s"], ERRORS, mode=mode, **canary) == []
