"""abTest is a list of steps by another name; what would never be decided is refused here as by the API server."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.api.ab_test import Direction, OnNoDifference, OnWinner
from serinus.api.defaults import policy_of
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.parsing import parse_spec
from serinus.api.problems import ApiError

GOAL: dict[str, Any] = {"metric": "conversion", "direction": "Increase", "minimumEffect": "2%"}
CONVERSION: dict[str, Any] = {
    "name": "conversion",
    "type": "Ratio",
    "query": 'sum(bought{modeldeployment="{{name}}", revision="{{revision}}"})',
    "of": 'sum(visits{modeldeployment="{{name}}", revision="{{revision}}"})',
}
TRAFFIC: dict[str, Any] = {"hosts": ["a.example.com"], "istio": {"gateways": ["public"]}}

AWAITED: dict[str, Any] = {"awaitGoal": {"goal": GOAL}}
COHORT: dict[str, Any] = {"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}}


def stepped(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"canary": {"steps": [*steps]}}


def awaiting(**wishes: Any) -> dict[str, Any]:
    return {"abTest": {"goal": GOAL, **wishes}}


def spec(
    strategy: dict[str, Any] | None = None, *metrics: dict[str, Any], sticky: bool = True, age: str = "672h"
) -> ModelDeploymentSpec:
    return parse_spec(
        {
            "model": {"version": "1", "storageUri": "configmap://fraud"},
            "runtime": {"image": "triton"},
            "traffic": {**TRAFFIC, "sessionAffinity": {"cookie": {"maxAge": age}}} if sticky else TRAFFIC,
            "strategy": strategy or {"abTest": {"goal": GOAL}},
            "analysis": {"metrics": [*(metrics or (CONVERSION,))]},
        }
    )


def test_it_becomes_a_weight_and_a_goal_with_nothing_left_to_default() -> None:
    """A changed default changes no test in progress."""
    first, second = policy_of(spec()).strategy.canary.steps
    goal = second.await_goal
    assert first.set_weight == 50
    assert goal is not None
    assert goal.goal.direction is Direction.INCREASE
    assert (goal.false_promotion_rate, goal.min_duration, goal.max_duration) == ("0.05", "168h", "672h")
    assert (goal.on_winner, goal.on_no_difference) == (OnWinner.PROMOTE, OnNoDifference.KEEP_STABLE)


def test_it_may_be_a_step_among_others() -> None:
    """After one weight, and whatever shows nobody anything; others may follow."""
    steps = [{"pause": {"duration": "1h"}}, {"setWeight": 50}, {"awaitGoal": {"goal": GOAL}}, {"setWeight": 80}]
    frozen = policy_of(spec({"canary": {"steps": steps, "pace": "Evidence"}})).strategy
    assert frozen.goal is not None
    assert (frozen.goal.min_duration, frozen.goal.lag, frozen.canary.pace) == ("168h", "60480s", "Evidence")


@pytest.mark.parametrize(
    ("wishes", "lag"),
    [
        pytest.param({}, 16.8 * 3600, id="a tenth of a week"),
        pytest.param({"minDuration": "20s"}, 2.0, id="a tenth of a moment"),
        pytest.param({"minDuration": "5000h", "maxDuration": "9000h"}, 500 * 3600, id="a tenth of half a year"),
        pytest.param({"lag": "72h"}, 72 * 3600, id="as told"),
    ],
)
def test_successes_may_come_so_much_later(wishes: dict[str, Any], lag: float) -> None:
    """Frozen like every other default."""
    strategy = {"abTest": {"goal": GOAL, **wishes}}
    goal = policy_of(spec(strategy, age=wishes.get("maxDuration", "672h"))).strategy.goal
    assert goal is not None
    assert goal.lag is not None
    assert goal.lag_seconds == pytest.approx(lag, rel=1e-3)


@pytest.mark.parametrize(
    ("bounds", "gating"), [({}, False), ({"thresholdRange": {"min": "1%"}}, None)], ids=["no limit", "a limit"]
)
def test_the_goals_metric_decides_by_itself_only_through_its_limit(bounds: dict[str, Any], gating: bool | None) -> None:
    """What has no limit is shown; its comparison is the goal's."""
    (metric,) = policy_of(spec(None, {**CONVERSION, **bounds})).analysis.metrics
    assert metric.gating is gating


def test_it_is_written_as_it_was_read() -> None:
    """With the fields alone that were set."""
    wanted = {"abTest": {"goal": GOAL, "onWinner": "Wait"}}
    assert spec(wanted).model_dump(mode="json", by_alias=True, exclude_unset=True)["strategy"] == wanted


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        pytest.param({"sticky": False}, "a goal compares users", id="not sticky"),
        pytest.param(
            {"metrics": ({"name": "errors", "preset": "error-rate"},)}, "no metric conversion", id="no metric"
        ),
        pytest.param(
            {"metrics": (CONVERSION, {**CONVERSION, "name": "other"})},
            "metric other needs thresholdRange",
            id="another ratio without a limit",
        ),
        pytest.param({"age": "24h"}, "set maxAge to 672h", id="a short cookie"),
        pytest.param(
            {"metrics": ({**CONVERSION, "of": 'sum(istio_requests_total{a="{{revision}}"})'},)},
            "of counts requests",
            id="requests",
        ),
        pytest.param({"strategy": stepped({"setWeight": 5}, {"setWeight": 50}, AWAITED)}, "exactly one", id="careful"),
        pytest.param({"strategy": stepped(AWAITED, {"setWeight": 50})}, "exactly one", id="before any weight"),
        pytest.param({"strategy": stepped({"setWeight": 100}, AWAITED)}, "below 100", id="after everybody"),
        pytest.param({"strategy": stepped({"setWeight": 50}, AWAITED, AWAITED)}, "comes once", id="twice"),
        pytest.param({"strategy": stepped(COHORT, {"setWeight": 50}, AWAITED)}, "no random sample", id="a cohort"),
        pytest.param({"strategy": awaiting(minDuration="800h")}, "make maxDuration longer", id="no time"),
        pytest.param({"strategy": awaiting(lag="169h")}, "lag 169h is longer", id="no time to count"),
        pytest.param({"strategy": awaiting(falsePromotionRate="0.5")}, "falsePromotionRate 0.5 is not", id="odds"),
        pytest.param(
            {"strategy": {"abTest": {"goal": {**GOAL, "minimumEffect": "0%"}}}}, "minimumEffect 0% is not", id="effect"
        ),
        pytest.param(
            {"strategy": {"canary": {"pace": "Timed"}, "abTest": {"goal": GOAL}}}, "exactly one of", id="two strategies"
        ),
    ],
)
def test_what_would_never_be_decided_is_refused(wishes: dict[str, Any], says: str) -> None:
    """In the words of admission: an object may be older than the rules."""
    with pytest.raises(ApiError, match=says):
        spec(
            wishes.get("strategy"),
            *wishes.get("metrics", ()),
            sticky=wishes.get("sticky", True),
            age=wishes.get("age", "672h"),
        )
