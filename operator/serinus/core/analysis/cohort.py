"""A cohort alone is no random sample: its answers are held to limits, and compared with nobody's."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.judging import QueryType
from serinus.api.policy import Analysis, Metric
from serinus.api.status import Verdict
from serinus.core.model.assessment import Assessment, Finding, Reason


def by_limits_alone(assessment: Assessment, policy: Analysis) -> Assessment:
    """Say what limits leave unjudged; where no metric has one, nothing is Safe."""
    gating = [metric for metric in policy.metrics if metric.gating is not False]
    unjudged = [metric.name for metric in gating if not _has_limit(metric)]
    if assessment.verdict is not Verdict.SAFE or not unjudged:
        return assessment
    if len(unjudged) < len(gating):
        return replace(assessment, caveat=f"{', '.join(unjudged)} not judged for the cohort: no limit")
    text = f"{unjudged[0]} has no limit, and a cohort is judged by limits alone: set thresholdRange"
    finding = Finding(unjudged[0], Verdict.UNDECIDED, Reason.NOT_COMPARABLE, text, "")
    return replace(
        assessment,
        verdict=finding.verdict,
        reason=finding.reason,
        finding=finding,
        findings=(*assessment.findings, finding),
    )


def _has_limit(metric: Metric) -> bool:
    return metric.threshold_range is not None and metric.type is not QueryType.DISTRIBUTION
