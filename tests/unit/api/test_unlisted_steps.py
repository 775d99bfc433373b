"""How many steps a strategy counts, and what they are where its spec lists none: as docs/strategies.md says it."""

from __future__ import annotations

import pytest

from serinus.api.defaults import policy_of, unlisted_steps
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.core.model.kinds import Json
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.visitors import CONVERSION

PREVIEW = {"match": [{"headerName": "x-preview", "headerValue": {"exact": "yes"}}]}
MIRROR = {"percentage": 50, "duration": "20s"}
GOAL = {"metric": "conversion", "direction": "Increase", "minimumEffect": "10%"}
DEFAULT = "the default is setWeight, pause, setWeight, pause, setWeight, pause"


def counted(strategy: Json | None) -> tuple[int, str]:
    """The number of steps of a ModelDeployment with a strategy, and its words for them."""
    tested = strategy is not None and "abTest" in strategy
    metrics = [ERROR_RATE, CONVERSION] if tested else [ERROR_RATE]
    wish = fraud("1")["spec"] | {"strategy": strategy, "analysis": {"mode": "Sequential", "metrics": metrics}}
    wish["traffic"] |= {"sessionAffinity": {"cookie": {"maxAge": "672h"}}}
    spec = ModelDeploymentSpec.model_validate({field: value for field, value in wish.items() if value is not None})
    return len(policy_of(spec).strategy.canary.steps), unlisted_steps(spec.strategy)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        pytest.param(None, (6, DEFAULT), id="none"),
        pytest.param({"canary": {"pace": "Evidence"}}, (6, DEFAULT), id="a pace alone"),
        pytest.param({"canary": {"steps": [{"setWeight": 50}]}}, (1, ""), id="steps of its own"),
        pytest.param(
            {"blueGreen": {"autoPromotionAfter": "20s"}},
            (3, "blueGreen is setCanaryScale, pause, setWeight"),
            id="blueGreen",
        ),
        pytest.param({"blueGreen": {}}, (3, "blueGreen is setCanaryScale, pause, setWeight"), id="a switch by hand"),
        pytest.param(
            {"blueGreen": {"preview": PREVIEW}},
            (4, "blueGreen is setCanaryScale, setHeaderRoute, pause, setWeight"),
            id="with testers",
        ),
        pytest.param(
            {"blueGreen": {"mirror": MIRROR}},
            (5, "blueGreen is setCanaryScale, setMirrorRoute, pause, pause, setWeight"),
            id="with copies",
        ),
        pytest.param(
            {"blueGreen": {"mirror": MIRROR, "preview": PREVIEW}},
            (6, "blueGreen is setCanaryScale, setMirrorRoute, pause, setHeaderRoute, pause, setWeight"),
            id="with both",
        ),
        pytest.param({"abTest": {"goal": GOAL}}, (2, "abTest is setWeight, awaitGoal"), id="abTest"),
    ],
)
def test_a_strategy_counts_its_steps(strategy: Json | None, expected: tuple[int, str]) -> None:
    """Members of a group need the same number of them."""
    assert counted(strategy) == expected
