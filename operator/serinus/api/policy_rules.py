"""What admission refuses in a policy, in CEL: relations between fields, which types cannot express."""

from __future__ import annotations

from serinus.api.ab_test_rules import ALONE, SHARE_AS_NUMBER, TELLS_APART
from serinus.api.rules import rule, spoken

LIMITS_ONLY = "in Threshold mode nothing else judges it"
WITHOUT_TRIALS = "a Ratio needs of, the PromQL for the counter of trials that the events of query are among"
PER_REVISION = ("{{revision}}", "{{service}}")
TOKENS = ("{{namespace}}", "{{name}}", "{{revision}}", "{{service}}", "{{window}}")


def _number(threshold: str) -> str:
    """Write the CEL for a threshold in base units."""
    unit = (
        f"({threshold}.endsWith('us') ? 0.000001 : {threshold}.endsWith('ms') ? 0.001"
        f" : {threshold}.endsWith('%') ? 0.01 : 1.0)"
    )
    return f"double({threshold}.find('^-?[0-9.]+')) * {unit}"


def _each_bound(pattern: str) -> str:
    """Write the CEL for a pattern that every bound of a metric's range matches."""
    bounds = ("self.thresholdRange.min", "self.thresholdRange.max")
    each = " && ".join(f"(!has({bound}) || {bound}.matches('{pattern}'))" for bound in bounds)
    return f"!has(self.thresholdRange) || ({each})"


def _bounds() -> str:
    """Write the CEL for a metric's range as people read it."""
    low, high = "self.thresholdRange.min", "self.thresholdRange.max"
    return f"(has({low}) ? ' min ' + {low} : '') + (has({high}) ? ' max ' + {high} : '')"


def _only(field: str, condition: str, where: str) -> dict[str, str]:
    return spoken(
        f"!has(self.{field}) || ({condition})",
        f"'metric ' + self.name + ': {field} applies to {where} only: leave it out'",
    )


def _bounded(metrics: str, pattern: str, fix: str) -> dict[str, str]:
    """Make the rule for how the bounds of some metrics are written."""
    return spoken(
        f"!({metrics}) || ({_each_bound(pattern)})",
        f"'metric ' + self.name + ':' + {_bounds()} + ': {fix}'",
    )


def _below_everything(name: str, metrics: str, all_of: str) -> dict[str, str]:
    """Make the rule that a bound of a share is less than all that is counted: 1 is meant as one percent."""
    bound = f"self.thresholdRange.{name}"
    return spoken(
        f"!({metrics}) || !has(self.thresholdRange) || !has({bound})"
        f" || !{bound}.matches('^[0-9]+([.][0-9]+)?%?$') || {_number(bound)} < 1.0",
        f"'metric ' + self.name + ': {name} ' + {bound} + ({bound}.endsWith('%') ? ' is all {all_of} or more:"
        f" write less, such as 5%' : ' is a ratio, so all {all_of} or more: write ' + {bound} + '%')",
    )


_PRESET = "has(self.preset) && self.preset"
_NUMBERS = "self.{0}.matches('^-?[0-9]+([.][0-9]+)?(us|ms|s|%)?$')"
_WELL_FORMED = "({} && {})".format(_NUMBERS.format("min"), _NUMBERS.format("max"))
_RATE = f"{_PRESET} == 'error-rate'"
_TIME = f"{_PRESET}.matches('^(latency$|time-)')"
_RATIO = "has(self.type) && self.type == 'Ratio'"
_SHARE_OF_WHOLE = "^[0-9]+([.][0-9]+)?%?$"


def _known_tokens(field: str) -> dict[str, str]:
    """Make the rule that a user's PromQL holds no token that nobody fills in."""
    without = f"self.{field}" + "".join(f".replace('{token}', '')" for token in TOKENS)
    return spoken(
        f"!has(self.{field}) || !{without}.contains('{{{{')",
        f"'metric ' + self.name + ': {field} has the unknown token ' + {without}.find('[{{][{{][^}}]*[}}]*')"
        f" + '; the tokens are {' '.join(TOKENS)}'",
    )


def _counter(field: str) -> dict[str, str]:
    """Make the rule that a Ratio's PromQL is a counter: what it grows by is counted already."""
    return spoken(
        f"!({_RATIO}) || !has(self.{field}) || !self.{field}.matches('\\\\b(i?rate|increase|i?delta)[ ]*\\\\(')",
        f"'metric ' + self.name + ': {field} is a rate, and a Ratio needs a counter: write sum(...), without rate or"
        " increase'",
    )


def _per_revision(field: str) -> str:
    """Write the CEL for whether a user's PromQL tells the revisions apart."""
    return f"self.{field}.{TELLS_APART}"


THRESHOLD_RANGE = (
    rule("has(self.min) || has(self.max)", "is empty: set min, max or both"),
    spoken(
        f"!has(self.min) || !has(self.max) || !{_WELL_FORMED} || {_number('self.min')} <= {_number('self.max')}",
        "'min ' + self.min + ' is above max ' + self.max + ': no value is in that range'",
    ),
)

METRIC = (
    spoken(
        "has(self.query) != has(self.preset)",
        "'metric ' + self.name + (has(self.query) ? ' has both query and preset: keep one'"
        " : ' has neither query nor preset: set one')",
    ),
    spoken(
        # A Ratio may be a goal: whether it needs a range is asked where the strategy is known.
        f"has(self.thresholdRange) || ({_PRESET} == 'error-rate') || ({_RATIO})"
        f" || ({_TIME} && (!has(self.provider) || self.provider != 'triton'))",
        f"'metric ' + self.name + ' needs thresholdRange: {ALONE}'",
    ),
    _known_tokens("query"),
    _known_tokens("of"),
    _only("provider", "has(self.preset)", "presets"),
    spoken(
        f"!({_PRESET}.startsWith('time-')) || !has(self.provider) || self.provider == 'vllm'",
        "'metric ' + self.name + ': provider ' + self.provider + ' counts no tokens: leave it out, or write vllm'",
    ),
    _only("quantile", _TIME, "presets of a time"),
    _only("clientErrors", f"{_PRESET} == 'error-rate'", "the error-rate preset"),
    _only("type", "has(self.query)", "queries"),
    _only("bucketLabel", "has(self.type) && self.type == 'Distribution'", "type Distribution"),
    spoken(
        "!has(self.type) || self.type != 'Distribution' || has(self.bucketLabel)",
        "'metric ' + self.name + ': a Distribution needs bucketLabel, the label that holds the bin'",
    ),
    _only("of", _RATIO, "type Ratio"),
    spoken(f"!({_RATIO}) || has(self.of)", f"'metric ' + self.name + ': {WITHOUT_TRIALS}'"),
    spoken(
        f"!({_RATIO}) || !has(self.query) || !has(self.of) || {_per_revision('query')} == {_per_revision('of')}",
        f"'metric ' + self.name + ': ' + ({_per_revision('query')} ? 'of' : 'query') + ' holds neither"
        " {{revision}} nor {{service}}: events of one revision are no share of the trials of all: write it into both'",
    ),
    _counter("query"),
    _counter("of"),
    _only(
        "minSamples",
        f"({_PRESET} != 'request-count') || ({_RATIO})",
        "the error-rate preset, presets of a time and type Ratio",
    ),
    _bounded(_RATE, _SHARE_OF_WHOLE, "an error rate is a ratio from 0 to 1 or a percentage, such as 0.05 or 5%"),
    _bounded(_RATIO, _SHARE_OF_WHOLE, "a Ratio is a share from 0 to 1 or a percentage, such as 0.05 or 5%"),
    *(_below_everything(name, _RATE, "requests") for name in ("min", "max")),
    *(_below_everything(name, _RATIO, "trials") for name in ("min", "max")),
    _bounded(_TIME, "^[0-9.]+(us|ms|s)$", "a latency is a time, such as 250ms or 1.5s"),
    _bounded(f"{_PRESET} == 'request-count'", "^[0-9.]+$", "a request count is a plain number, such as 100"),
)

_IS_SHARE = "self.{0}.matches('^[0-9.]+%?$')"


def _sequential(field: str) -> dict[str, str]:
    return spoken(
        f"!has(self.{field}) || !has(self.mode) || self.mode == 'Sequential'",
        f"'{field} applies in Sequential mode only: leave it out, or set mode to Sequential'",
    )


ANALYSIS = (
    spoken(
        f"!has(self.falseRevertRate) || !{_IS_SHARE.format('falseRevertRate')} ||"
        f" ({SHARE_AS_NUMBER.format('falseRevertRate')} > 0.0 && {SHARE_AS_NUMBER.format('falseRevertRate')} < 0.5)",
        "'falseRevertRate ' + self.falseRevertRate + ' is not between 0 and 0.5: write 0.01, for example'",
    ),
    spoken(
        f"!has(self.riskBudget) || !{_IS_SHARE.format('riskBudget')} || {SHARE_AS_NUMBER.format('riskBudget')} > 0.0",
        "'riskBudget ' + self.riskBudget + ' never promotes, not even a perfect revision: write 0.005, for example'",
    ),
    *(_sequential(field) for field in ("falseRevertRate", "riskBudget", "minDwell", "maxHold", "onMaxHold")),
    rule(
        "!has(self.mode) || self.mode != 'Threshold' || self.metrics.all(m, has(m.thresholdRange))",
        f"each metric needs thresholdRange: {LIMITS_ONLY}",
    ),
    rule("!has(self.onMaxHold) || has(self.maxHold)", "onMaxHold needs maxHold: set maxHold"),
)

MOST_MATCHES = 16
"""Of all steps together: a status holds them all."""
TOO_MANY_MATCHES = (
    f"has more than {MOST_MATCHES} matches in all its setHeaderRoute steps: use a regex, or one header for all"
)
MOST_MATCHES_BELOW = 10
"""Of all steps together where an HTTPRoute has a prefix: each match needs a rule of its own, of 16 in all."""
_BELOW = (
    "has(self.traffic) && has(self.traffic.pathPrefix)"
    " && has(self.traffic.provider) && self.traffic.provider == 'gatewayAPI' && has(self.strategy)"
)
_STEPS_MATCH = "self.strategy.canary.steps.filter(s, has(s.setHeaderRoute)).map(s, size(s.setHeaderRoute.match)).sum()"
_HAS_STEPS = "has(self.strategy.canary) && has(self.strategy.canary.steps)"
_HAS_PREVIEW = "has(self.strategy.blueGreen) && has(self.strategy.blueGreen.preview)"
FITS_BELOW = rule(
    f"!({_BELOW}) || ((!({_HAS_STEPS}) || {_STEPS_MATCH} <= {MOST_MATCHES_BELOW})"
    f" && (!({_HAS_PREVIEW}) || size(self.strategy.blueGreen.preview.match) <= {MOST_MATCHES_BELOW}))",
    f"has more than {MOST_MATCHES_BELOW} matches, and an HTTPRoute with pathPrefix has no more rules: use a regex, one"
    " header for all, or a host without pathPrefix",
    path=".strategy",
)
STRATEGIES = ("canary", "blueGreen", "abTest")
_NAMED = " + ".join(f"(has(self.{one}) ? ' {one}' : '')" for one in STRATEGIES)


def not_one_strategy(given: str) -> str:
    """Say which strategies are set, where it is not one."""
    return f"needs exactly one of canary, blueGreen and abTest, and has:{given}"


STRATEGY = (
    spoken(
        "[has(self.canary), has(self.blueGreen), has(self.abTest)].filter(given, given).size() == 1",
        f"'{not_one_strategy('')}' + {_NAMED}",
    ),
)

MIRROR_FIRST = (
    "setMirrorRoute comes before the first setHeaderRoute or setWeight, and its percentage must rise from step to step"
)
VERBS = "setWeight, pause, setHeaderRoute, setMirrorRoute, setCanaryScale or awaitGoal"
_VERBS_GIVEN = (
    "[has(self.setWeight), has(self.pause), has(self.setHeaderRoute), has(self.setMirrorRoute),"
    " has(self.setCanaryScale), has(self.awaitGoal)].filter(given, given).size()"
)
STEP = (
    spoken(
        f"{_VERBS_GIVEN} == 1",
        f"{_VERBS_GIVEN} > 1 ? 'has two verbs: split it into two steps' : 'has no verb: set {VERBS}'",
    ),
)

_WEIGHTS = "self.steps.filter(s, has(s.setWeight)).map(s, s.setWeight)"
_COPIES = (
    "self.steps.filter(s, !has(s.pause) && !has(s.setCanaryScale) && !has(s.awaitGoal))"
    ".map(s, !has(s.setMirrorRoute) ? 101 : has(s.setMirrorRoute.percentage)"
    " && s.setMirrorRoute.percentage < 100 ? s.setMirrorRoute.percentage : 100)"
)
"""The percentages, of which one above 100 is refused by itself; whatever shows the canary requests of its own counts as
more than all copies."""
GOAL_AFTER_A_WEIGHT = (
    "awaitGoal comes once, after exactly one setWeight, below 100: both versions need users to compare, and whoever was"
    " drawn at a smaller weight would stay where he is"
)
GOAL_WITHOUT_COHORT = "setHeaderRoute and awaitGoal exclude each other: a cohort is no random sample of the users"
_GOALS = "self.steps.filter(s, has(s.awaitGoal))"
_UP_TO_A_GOAL = (
    "self.steps.filter(s, has(s.setWeight) || has(s.awaitGoal)).map(s, has(s.awaitGoal) ? 101 : s.setWeight)"
)
CANARY = (
    rule(
        f"!has(self.steps) || size({_GOALS}) == 0 || size({_GOALS}) == 1"
        f" && [{_UP_TO_A_GOAL}].all(w, w[0] < 100 && size(w) > 1 && w[1] == 101)",
        GOAL_AFTER_A_WEIGHT,
        path=".steps",
    ),
    rule(
        f"!has(self.steps) || size({_GOALS}) == 0 || !self.steps.exists(s, has(s.setHeaderRoute))",
        GOAL_WITHOUT_COHORT,
        path=".steps",
    ),
    rule(
        f"!has(self.steps) || {_WEIGHTS}.isSorted() && {_WEIGHTS}.all(w, {_WEIGHTS}.exists_one(v, v == w))",
        "setWeight must rise from step to step",
        path=".steps",
    ),
    rule(
        "!has(self.steps) || size(self.steps) == 0 || self.steps.exists(s, has(s.setWeight) || has(s.setHeaderRoute))",
        "has no setWeight and no setHeaderRoute: the canary would go from 0 to 100; add one, or use blueGreen",
        path=".steps",
    ),
    rule(
        "!has(self.steps)"
        f" || self.steps.filter(s, has(s.setHeaderRoute)).map(s, size(s.setHeaderRoute.match)).sum() <= {MOST_MATCHES}",
        TOO_MANY_MATCHES,
        path=".steps",
    ),
    rule(
        f"!has(self.steps) || [{_COPIES}].all(c, c.isSorted() && c.all(p, p > 100 || c.exists_one(q, q == p)))",
        MIRROR_FIRST,
        path=".steps",
    ),
)
