"""The sequential test in a Rollout's status: each metric, and what is still needed for a decision."""

from __future__ import annotations

from serinus.api.canary import Pace
from serinus.api.rollout import MetricComparison, Outlook
from serinus.core.analysis.words import HOPELESS_REQUESTS, shown_duration
from serinus.core.model.assessment import Assessment, Comparison

DIGITS = 6
"""More are noise, and each is a byte of every status."""

MOST_COMPARISONS = 40


def outlook_of(assessment: Assessment, pace: Pace) -> Outlook | None:
    """Write down what the test knows; None where no test was asked."""
    if assessment.e_total is None:
        return None
    return Outlook(
        evidence=_short(assessment.e_total),
        requests_needed=assessment.requests_needed,
        eta_seconds=None if assessment.eta_s is None else round(assessment.eta_s, 1),
        suggested_weight=assessment.suggested_weight,
        text=_missing(assessment) if pace is Pace.EVIDENCE else None,
        calibration=assessment.calibration or None,
        comparisons=tuple(_written(one) for one in _loudest(assessment.comparisons)),
    )


def _loudest(comparisons: tuple[Comparison, ...]) -> tuple[Comparison, ...]:
    """Leave out those with the least evidence where there are more than a status holds: a metric may have three."""
    if len(comparisons) <= MOST_COMPARISONS:
        return comparisons
    loudest = sorted(comparisons, key=lambda one: -one.e_value)[:MOST_COMPARISONS]
    return tuple(one for one in comparisons if one in loudest)


def _missing(assessment: Assessment) -> str | None:
    if assessment.requests_needed and assessment.requests_needed > HOPELESS_REQUESTS:
        return "never at the current error rates"
    parts = []
    if assessment.requests_needed:
        parts.append(f"{assessment.requests_needed:.0f} requests")
    if assessment.eta_s:
        parts.append(shown_duration(assessment.eta_s))
    return ", ".join(parts) or None


def _written(one: Comparison) -> MetricComparison:
    return MetricComparison(
        metric=one.metric,
        status=one.status,
        requests_canary=_short(one.requests_canary),
        requests_stable=_short(one.requests_stable),
        events=_short(one.events),
        rate_canary=_maybe(one.rate_canary),
        rate_stable=_maybe(one.rate_stable),
        estimate=_maybe(one.estimate),
        lower=_maybe(one.lower),
        upper=_maybe(one.upper),
        e_value=_short(one.e_value),
    )


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _maybe(value: float | None) -> float | None:
    return None if value is None else _short(value)
