"""What admission refuses of a goal, in CEL: within it, and between it and the metrics and the traffic."""

from __future__ import annotations

from serinus.api.rules import rule, spoken

_SHARE = "(double(self.{0}.find('^[0-9.]+')) * (self.{0}.endsWith('%') ? 0.01 : 1.0))"
_WELL_FORMED = "self.{0}.matches('^[0-9]+([.][0-9]+)?%?$')"


def _between(field: str, low: float, high: float, example: str) -> dict[str, str]:
    number = _SHARE.format(field)
    return spoken(
        f"!has(self.{field}) || !{_WELL_FORMED.format(field)} || ({number} >= {low} && {number} <= {high})",
        f"'{field} ' + self.{field} + ' is not between {low} and {high}: write {example}, for example'",
    )


GOAL = (_between("minimumEffect", 0.001, 0.5, "2%"),)
AWAIT_GOAL = (
    _between("falsePromotionRate", 0.0001, 0.2, "0.05"),
    rule(
        "duration(has(self.minDuration) ? self.minDuration : '168h')"
        " <= duration(has(self.maxDuration) ? self.maxDuration : '672h')",
        "minDuration (default 168h) is longer than maxDuration (default 672h): make maxDuration longer",
    ),
)

_STEPS = "has(self.strategy.canary) && has(self.strategy.canary.steps) ? self.strategy.canary.steps"
_GOALS = f"({_STEPS}.filter(s, has(s.awaitGoal)).map(s, s.awaitGoal.goal.metric) : [])"
_ALL_GOALS = f"(has(self.strategy.abTest) ? [self.strategy.abTest.goal.metric] : {_GOALS})"
_RATIO = "has(m.type) && m.type == 'Ratio'"
_TOLD_APART = "has(m.query) && (m.query.contains('{{revision}}') || m.query.contains('{{service}}'))"
_METRICS = "(has(self.analysis) ? self.analysis.metrics : [])"
_REQUESTS = "istio_requests_total|envoy_cluster_upstream_rq|nv_inference_"

NO_STICKY_USERS = (
    "a goal compares users, and each of them must stay with one version: set traffic.sessionAffinity, {cookie: {}} for"
    " the defaults"
)
ALONE = "it is not compared with stable, or only in a direction that the range tells"


def _measured(goals: str) -> tuple[dict[str, str], ...]:
    """Make the rules between goals and metrics."""
    some = "has(self.strategy)"
    no_metric = f"{goals}.filter(g, !{_METRICS}.exists(m, m.name == g && {_RATIO} && {_TOLD_APART}))"
    of_requests = f"{_METRICS}.filter(m, has(m.of) && m.of.matches('{_REQUESTS}') && m.name in {goals}).map(m, m.name)"
    bare = f"{_METRICS}.filter(m, {_RATIO} && !has(m.thresholdRange) && !({some} && m.name in {goals})).map(m, m.name)"
    return (
        spoken(
            f"!{some} || size({no_metric}) == 0",
            f"'goal: analysis.metrics has no metric ' + {no_metric}[0] + ' of type Ratio with {{{{revision}}}} or"
            " {{service}} in query: add one, with successes in query and users or sessions in of'",
            path=".strategy",
        ),
        spoken(
            f"!{some} || size({of_requests}) == 0",
            f"'metric ' + {of_requests}[0] + ': of counts requests, and the trials of a goal are users or sessions:"
            " one user sends many requests, and they are no independent trials'",
            path=".analysis",
        ),
        spoken(f"size({bare}) == 0", f"'metric ' + {bare}[0] + ' needs thresholdRange: {ALONE}'", path=".analysis"),
    )


def _sticky(goals: str) -> dict[str, str]:
    return rule(
        f"!has(self.strategy) || size({goals}) == 0 || (has(self.traffic) && has(self.traffic.sessionAffinity))",
        NO_STICKY_USERS,
        path=".traffic",
    )


GOALS_ARE_MEASURED = _measured(_ALL_GOALS)
GOALS_ARE_STICKY = (_sticky(_ALL_GOALS),)
"""Of a ModelDeployment alone: a Rollout has no traffic of its own."""
