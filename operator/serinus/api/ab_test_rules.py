"""What admission refuses of a goal, in CEL: within it, and between it and the metrics and the traffic."""

from __future__ import annotations

from serinus.api.rules import rule, spoken

SHARE_AS_NUMBER = "(double(self.{0}.find('^[0-9.]+')) * (self.{0}.endsWith('%') ? 0.01 : 1.0))"
_WELL_FORMED = "self.{0}.matches('^([0-9]+([.][0-9]+)?%|[01]([.][0-9]+)?)$')"


_SOME_TIME = "!has(self.{0}) || self.{0}.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')"


def _between(field: str, low: float, high: float, example: str) -> dict[str, str]:
    number = SHARE_AS_NUMBER.format(field)
    return spoken(
        f"!has(self.{field}) || !{_WELL_FORMED.format(field)} || ({number} >= {low} && {number} <= {high})",
        f"'{field} ' + self.{field} + ' is not between {low} and {high}: write {example}, for example'",
    )


GOAL = (_between("minimumEffect", 0.001, 0.5, "2%"),)
AWAIT_GOAL = (
    _between("falsePromotionRate", 0.0001, 0.2, "0.05"),
    rule(
        f"!({_SOME_TIME.format('minDuration')}) || !({_SOME_TIME.format('maxDuration')})"
        " || duration(has(self.minDuration) ? self.minDuration : '168h')"
        " <= duration(has(self.maxDuration) ? self.maxDuration : '672h')",
        "minDuration (default 168h) is longer than maxDuration (default 672h): make maxDuration longer",
    ),
)

_STEPS = "self.strategy.canary.steps"
_GOAL = (
    "(!has(self.strategy) ? '' : has(self.strategy.abTest) ? self.strategy.abTest.goal.metric"
    f" : has(self.strategy.canary) && has({_STEPS}) && {_STEPS}.exists(s, has(s.awaitGoal))"
    f" ? {_STEPS}.filter(s, has(s.awaitGoal))[0].awaitGoal.goal.metric : '')"
)
"""The goal's metric; empty without a goal. There is one at most."""
_RATIO = "has(m.type) && m.type == 'Ratio'"
_TOLD_APART = "has(m.query) && (m.query.contains('{{revision}}') || m.query.contains('{{service}}'))"
_METRICS = "self.analysis.metrics"
"""Never behind a condition: the API server would know no bound of them any more, and refuse the rule for its cost."""
_REQUESTS = "istio_requests_total|envoy_cluster_upstream_rq|nv_inference_"

ALONE = "it is not compared with stable, or only in a direction that the range tells"
RATIO_ALONE = f"a metric of type Ratio needs thresholdRange, unless it is the goal's: {ALONE}"
NO_STICKY_USERS = (
    "a goal compares users, and each of them must stay with one version: set traffic.sessionAffinity, {cookie: {}} for"
    " the defaults"
)


def _holds(of_goal: str) -> str:
    """Write the CEL for what holds of the goal `g`: it is worked out once, and costs so little."""
    return f"[{_GOAL}].all(g, {of_goal})"


def _says(of_goal: str) -> str:
    return f"[{_GOAL}].map(g, {of_goal})[0]"


_BARE = f"{_RATIO} && !has(m.thresholdRange) && m.name != g"
GOALS_ARE_MEASURED = (
    spoken(
        _holds(f"g == '' || has(self.analysis) && {_METRICS}.exists(m, m.name == g && {_RATIO} && {_TOLD_APART})"),
        _says(
            "'goal: analysis.metrics has no metric ' + g + ' of type Ratio with {{revision}} or {{service}} in query:"
            " add one, with successes in query and users or sessions in of'"
        ),
        path=".strategy",
    ),
    spoken(
        _holds(
            f"!has(self.analysis) || !{_METRICS}.exists(m, m.name == g && has(m.of) && m.of.matches('{_REQUESTS}'))"
        ),
        _says(
            "'metric ' + g + ': of counts requests, and the trials of a goal are users or sessions: one user sends many"
            " requests, and they are no independent trials'"
        ),
        path=".analysis",
    ),
    # Without the metric's name: what a filter finds has no bound, either.
    rule(_holds(f"!has(self.analysis) || !{_METRICS}.exists(m, {_BARE})"), RATIO_ALONE, path=".analysis"),
)
GOALS_ARE_STICKY = (
    rule(
        f"{_GOAL} == '' || (has(self.traffic) && has(self.traffic.sessionAffinity))",
        NO_STICKY_USERS,
        path=".traffic",
    ),
)
"""Of a ModelDeployment alone: a Rollout has no traffic of its own."""
