"""A canary that only gets copies does no business: a user's query of which it has no numbers says nothing of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from serinus.api.policy import Analysis, Metric
from serinus.api.status import Verdict
from serinus.core.model.assessment import Assessment, Finding, Look, Missing, Reason

_NO_NUMBERS: Final = frozenset({Reason.NO_SERIES, Reason.NO_TRAFFIC, Reason.INSUFFICIENT_DATA, Reason.NOT_A_NUMBER})


def judged_on_copies(policy: Analysis, look: Look) -> Analysis:
    """Let a user's queries without numbers decide nothing; presets count the answers to copies, and decide."""
    return policy.model_copy(update={"metrics": tuple(_on_copies(metric, look) for metric in policy.metrics)})


def unjudged_on_copies(policy: Analysis, look: Look) -> str:
    """Name what says nothing of copies; empty where all that decides has numbers."""
    names = [metric.name for metric in policy.metrics if _decides(metric) and _has_no_numbers(metric, look)]
    return f"{', '.join(names)} not judged on copies: no data" if names else ""


def judged_by_something(assessment: Assessment, policy: Analysis) -> Assessment:
    """Let copies of which no metric that decides has a number be not Safe: nothing was judged."""
    if assessment.verdict is not Verdict.SAFE or any(map(_decides, policy.metrics)):
        return assessment
    text = "no metric that decides has a number of copies: add the error-rate preset, or leave setMirrorRoute out"
    finding = Finding("", Verdict.UNDECIDED, Reason.NOT_COMPARABLE, text, "")
    return replace(assessment, verdict=finding.verdict, reason=finding.reason, finding=finding)


def _on_copies(metric: Metric, look: Look) -> Metric:
    return metric.model_copy(update={"gating": False}) if _has_no_numbers(metric, look) else metric


def _decides(metric: Metric) -> bool:
    return metric.gating is not False


def _has_no_numbers(metric: Metric, look: Look) -> bool:
    if metric.query is None or metric.name not in look.observations:
        return False
    reading = look.observations[metric.name].canary
    return isinstance(reading, Missing) and reading.reason in _NO_NUMBERS
