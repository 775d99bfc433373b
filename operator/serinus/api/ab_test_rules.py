"""What admission refuses of a goal, in CEL: within it, and between it and the metrics and the traffic."""

from __future__ import annotations

from serinus.api.rules import rule, spoken

SHARE_AS_NUMBER = "(double(self.{0}.find('^[0-9.]+')) * (self.{0}.endsWith('%') ? 0.01 : 1.0))"
_WELL_FORMED = "self.{0}.matches('^([0-9]+([.][0-9]+)?%|[01]([.][0-9]+)?)$')"


LEAST_EFFECTS = (0.001, 0.5)
ERROR_RATES = (0.0001, 0.2)
_DURATION = "(size({0}) <= 16 && {0}.matches('^([0-9]{{1,6}}([.][0-9]{{1,3}})?(ms|s|m|h))+$'))"
"""Anything else is refused by its own pattern: CEL's own durations would only overflow."""


def not_between(field: str, given: str, bounds: tuple[float, float], example: str) -> str:
    """Say that a share lies beyond its bounds, as admission does."""
    low, high = bounds
    return f"{field} {given} is not between {low} and {high}: write {example}, for example"


def _between(field: str, bounds: tuple[float, float], example: str) -> dict[str, str]:
    number, (low, high) = SHARE_AS_NUMBER.format(field), bounds
    said = not_between(field, f"' + self.{field} + '", bounds, example)
    return spoken(
        f"!has(self.{field}) || !{_WELL_FORMED.format(field)} || ({number} >= {low} && {number} <= {high})", f"'{said}'"
    )


def _no_longer(short: str, long: str) -> str:
    """Write the CEL for one duration that is no longer than another; what is none is refused elsewhere."""
    return f"!{_DURATION.format(short)} || !{_DURATION.format(long)} || duration({short}) <= duration({long})"


def _said(value: str) -> str:
    """Put the value of a CEL expression into a sentence."""
    return f"' + {value} + '"


_MIN = "(has(self.minDuration) ? self.minDuration : '168h')"
_MAX = "(has(self.maxDuration) ? self.maxDuration : '672h')"


def min_above_max(shortest: str, longest: str) -> str:
    """Say that a goal would have to be decided before it may be."""
    given = f"minDuration {shortest} (default 168h) is longer than maxDuration {longest} (default 672h)"
    return f"{given}: make maxDuration longer"


def lag_above_min(lag: str, shortest: str) -> str:
    """Say that nothing would be counted before a goal may be decided."""
    return f"lag {lag} is longer than minDuration {shortest} (default 168h): make minDuration longer"


GOAL = (_between("minimumEffect", LEAST_EFFECTS, "2%"),)
AWAIT_GOAL = (
    _between("falsePromotionRate", ERROR_RATES, "0.05"),
    spoken(_no_longer(_MIN, _MAX), f"'{min_above_max(_said(_MIN), _said(_MAX))}'"),
    spoken(f"!has(self.lag) || {_no_longer('self.lag', _MIN)}", f"'{lag_above_min(_said('self.lag'), _said(_MIN))}'"),
)

_STEPS = "self.strategy.canary.steps"
_GOAL = (
    "(!has(self.strategy) ? '' : has(self.strategy.abTest) ? self.strategy.abTest.goal.metric"
    f" : has(self.strategy.canary) && has({_STEPS})"
    f" ? ({_STEPS}.filter(s, has(s.awaitGoal)).map(s, s.awaitGoal.goal.metric) + [''])[0] : '')"
)
"""The goal's metric; empty without a goal. There is one at most."""
_LONGEST = (
    "(!has(self.strategy) ? '' : has(self.strategy.abTest)"
    " ? (has(self.strategy.abTest.maxDuration) ? self.strategy.abTest.maxDuration : '672h')"
    f" : has(self.strategy.canary) && has({_STEPS}) ? ({_STEPS}.filter(s, has(s.awaitGoal))"
    ".map(s, has(s.awaitGoal.maxDuration) ? s.awaitGoal.maxDuration : '672h') + [''])[0] : '')"
)
"""The goal's maxDuration; empty without a goal."""
_AFFINITY = "self.traffic.sessionAffinity"
_AGE = f"(has({_AFFINITY}.cookie) && has({_AFFINITY}.cookie.maxAge) ? {_AFFINITY}.cookie.maxAge : '24h')"
_RATIO = "has(m.type) && m.type == 'Ratio'"
TELLS_APART = "matches('[{][{] *[rsRS]')"
"""CEL for whether PromQL names a revision or a Service. A misspelt token is refused by itself: it begins like one."""
_TOLD_APART = f"has(m.query) && m.query.{TELLS_APART}"
_METRICS = "self.analysis.metrics"
"""Never behind a condition: the API server would know no bound of them any more, and refuse the rule for its cost."""
REQUESTS = "(^|[^a-zA-Z0-9_:])(istio_|envoy_|nv_inference)"
"""Names of counters of proxies and of Triton: they count requests, or what is made of them, and no users."""

ALONE = "it is not compared with stable, or only in a direction that the range tells"
RATIO_ALONE = f"a metric of type Ratio needs thresholdRange, unless it is the goal's: {ALONE}"
NO_STICKY_USERS = (
    "a goal compares users, and each of them must stay with one version: set traffic.sessionAffinity, {cookie: {maxAge:"
    " 672h}} for a goal's default maxDuration"
)


def forgotten(age: str, longest: str) -> str:
    """Say that users are drawn anew in the middle of the test, and what to set."""
    return (
        f"sessionAffinity.cookie.maxAge (default 24h) is {age}, and the goal may take {longest}: users would change"
        f" versions in the middle of the test: set maxAge to {longest}"
    )


def requests_are_no_trials(metric: str) -> str:
    """Say that a goal's `of` counts requests."""
    return (
        f"metric {metric}: of counts requests, and the trials of a goal are users or sessions: one user sends many"
        " requests, and they are no independent trials"
    )


def not_a_ratio(metric: str) -> str:
    """Say that nothing of a goal can be counted."""
    return (
        f"goal.metric: analysis.metrics has no metric {metric} of type Ratio with {{{{revision}}}} or {{{{service}}}}"
        " in query: add one, with successes in query and users or sessions in of"
    )


def _holds(of_goal: str) -> str:
    """Write the CEL for what holds of the goal `g`: it is worked out once, and costs so little."""
    return f"[{_GOAL}].all(g, {of_goal})"


def _says(of_goal: str) -> str:
    return f"[{_GOAL}].map(g, {of_goal})[0]"


_G = _said("g")
_MISSING = f"g != '' && !{_METRICS}.exists(m, m.name == g)"
_BARE = f"{_RATIO} && !has(m.thresholdRange) && m.name != g"
GOALS_ARE_MEASURED = (
    spoken(
        _holds(f"g == '' || has(self.analysis) && {_METRICS}.exists(m, m.name == g && {_RATIO} && {_TOLD_APART})"),
        _says(f"'{not_a_ratio(_G)}'"),
        path=".strategy",
    ),
    spoken(
        _holds(f"!has(self.analysis) || !{_METRICS}.exists(m, m.name == g && has(m.of) && m.of.matches('{REQUESTS}'))"),
        _says(f"'{requests_are_no_trials(_G)}'"),
        path=".analysis",
    ),
    # Without the metric's name: what a filter finds has no bound, either.
    # Nor while the goal's name is wrong: that is said already, and the metric that was meant is one of these.
    rule(_holds(f"!has(self.analysis) || {_MISSING} || !{_METRICS}.exists(m, {_BARE})"), RATIO_ALONE, path=".analysis"),
)
_Q_AGE, _Q_LONGEST = _said(_AGE), _said("l")
GOALS_ARE_STICKY = (
    rule(
        f"{_GOAL} == '' || (has(self.traffic) && has(self.traffic.sessionAffinity))",
        NO_STICKY_USERS,
        path=".traffic",
    ),
    spoken(
        f"[{_LONGEST}].all(l, l == '' || !has(self.traffic) || !has({_AFFINITY}) || {_no_longer('l', _AGE)})",
        f"[{_LONGEST}].map(l, '{forgotten(_Q_AGE, _Q_LONGEST)}')[0]",
        path=".traffic",
    ),
)
"""Of a ModelDeployment alone: a Rollout has no traffic of its own."""
