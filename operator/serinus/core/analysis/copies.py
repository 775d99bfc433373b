"""A canary that only gets copies does no business: a user's query of which it has no numbers says nothing of it."""

from __future__ import annotations

from typing import Final

from serinus.api.policy import Analysis, Metric
from serinus.core.model.assessment import Look, Missing, Reason

_NO_NUMBERS: Final = frozenset({Reason.NO_SERIES, Reason.NO_TRAFFIC, Reason.INSUFFICIENT_DATA, Reason.NOT_A_NUMBER})


def judged_on_copies(policy: Analysis, look: Look) -> Analysis:
    """Let a user's queries without numbers decide nothing; presets count the answers to copies, and decide."""
    return policy.model_copy(update={"metrics": tuple(_on_copies(metric, look) for metric in policy.metrics)})


def unjudged_on_copies(policy: Analysis, look: Look) -> str:
    """Name what says nothing of copies; empty where all that decides has numbers."""
    names = [metric.name for metric in policy.metrics if _decides(metric) and _has_no_numbers(metric, look)]
    return f"{', '.join(names)} not judged on copies: no data" if names else ""


def _on_copies(metric: Metric, look: Look) -> Metric:
    return metric.model_copy(update={"gating": False}) if _has_no_numbers(metric, look) else metric


def _decides(metric: Metric) -> bool:
    return metric.gating is not False


def _has_no_numbers(metric: Metric, look: Look) -> bool:
    if metric.query is None or metric.name not in look.observations:
        return False
    reading = look.observations[metric.name].canary
    return isinstance(reading, Missing) and reading.reason in _NO_NUMBERS
