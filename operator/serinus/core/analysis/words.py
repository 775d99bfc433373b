"""Numbers as people say them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from serinus.api.policy import Metric, Preset
from serinus.core.model.assessment import Assessment, ErrorAnswers, Look, Measured
from serinus.core.model.plain_words import plain_words

HOPELESS_REQUESTS = 1_000_000
"""More missing requests than this are no forecast: at the present rates the answer is no."""

LARGEST_SPELT = 1e9
"""Beyond this nobody counts the zeros."""
LONGEST_WORDS = 160
MOST_CODES = 4
"""A model that fails gives one answer or two; a longer list is no longer read."""


def shown_value(preset: Preset | None, value: float) -> str:
    """Write a number as people say it: a rate in percent, a latency in milliseconds."""
    if preset is Preset.ERROR_RATE:
        return f"{value * 100:.3g}%"
    if preset is not None and preset.is_latency:
        return f"{value * 1000:.4g}ms"
    return f"{value:.6g}"


def shown_number(metric: Metric | None, value: float) -> str:
    """Write a metric's value as people say it; what a user counts is a rate, too."""
    preset = metric.preset if metric else None
    return shown_value(Preset.ERROR_RATE if metric is not None and metric.is_ratio else preset, value)


def shown_odds(odds: float) -> str:
    """Write odds to one as people say them, three digits and no exponent: 3.24, 5,910."""
    odds = min(odds, LARGEST_SPELT)
    return f"{odds:.3g}" if odds < 10 else f"{float(f'{odds:.3g}'):,.0f}"


def of_or_over(metric: Metric | None) -> str:
    """Give the word between a value and its requests: a share of them, or a number over them."""
    return "of" if metric is not None and metric.is_share else "over"


def what_counts(metric: Metric | None) -> str:
    """Name what a metric's value rests on."""
    return "trials" if metric is not None and metric.is_ratio else "requests"


def with_errors(text: str, errors: Iterable[ErrorAnswers]) -> str:
    """Add to a sentence which answers were errors: 51 x HTTP 400, 3 x HTTP 429."""
    shown = shown_errors(errors)
    return f"{text}; {shown}" if shown else text


def gives_errors(look: Look) -> bool:
    """Whether the canary gives errors now that a metric counts."""
    readings = (observation.canary for observation in look.observations.values())
    return any(isinstance(reading, Measured) and shown_errors(reading.errors) for reading in readings)


def in_words(look: Look, assessment: Assessment) -> Assessment:
    """Add to the errors that decide what the canary says when it refuses a sample request, if that is of their kind."""
    finding = assessment.finding
    if finding is None or not finding.errors:
        return assessment
    callers = sum(one.count for one in finding.errors if one.blames_caller)
    blames_caller = 2 * callers > sum(one.count for one in finding.errors)
    said = (one.message for one in look.refused if one.blames_caller in {None, blames_caller})
    words = next((words for message in said if (words := plain_words(message, LONGEST_WORDS))), "")
    text = f"{finding.message}: {words}" if words else finding.message
    return replace(assessment, finding=replace(finding, message=text))


def shown_errors(errors: Iterable[ErrorAnswers]) -> str:
    """Count errors by their codes, the most frequent first; less than half an error is a counter's rounding."""
    counted = sorted((one for one in errors if one.count >= 0.5), key=lambda one: (-one.count, one.code))
    shown = [f"{one.count:.0f} x {one.code}" for one in counted[:MOST_CODES]]
    others = sum(one.count for one in counted[MOST_CODES:])
    return ", ".join([*shown, f"{others:.0f} x others"] if others else shown)


def shown_duration(seconds: float) -> str:
    """Write a time as people say it: 90 s, 12 min, 5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
