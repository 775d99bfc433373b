"""The monitor's answer in the words of a rollout: a verdict, a reason of the closed list, a sentence with numbers."""

from __future__ import annotations

from collections.abc import Mapping

from serinus.api.canary import Pace
from serinus.api.durations import share
from serinus.api.judging import QueryType
from serinus.api.policy import Analysis, Metric
from serinus.api.status import Verdict
from serinus.core.analysis.comparison_metrics import (
    CLIENT_ERRORS,
    metric_of,
    requests_to_rise,
    tolerated_divergence,
)
from serinus.core.analysis.sequential.evidence import SUSPICIOUS_E, Evidence, MonitorVerdict
from serinus.core.analysis.sequential.noise import HISTORY_OF_ITS_OWN
from serinus.core.analysis.sequential.patience import LOOKS_WORSE
from serinus.core.analysis.words import (
    HOPELESS_REQUESTS,
    of_or_over,
    shown_duration,
    shown_number,
    shown_odds,
    what_counts,
    with_errors,
)
from serinus.core.model.assessment import Assessment, Comparison, ErrorAnswers, Finding, Reason

LEAST_E = 1.5
"""Less evidence than this is none that anybody needs to hear of."""
_HOLDS = {
    "InsufficientData": Reason.INSUFFICIENT_DATA,
    "LooksWorse": Reason.LOOKS_WORSE,
    "Suspicious": Reason.SUSPICIOUS,
    "CommonCause": Reason.COMMON_CAUSE,
    "NoTraffic": Reason.NO_TRAFFIC,
    "NoData": Reason.STALE,
    "NotComparable": Reason.NOT_COMPARABLE,
    "TrafficSplitMismatch": Reason.TRAFFIC_SPLIT_MISMATCH,
}
_DOUBTFUL = {Reason.SUSPICIOUS, Reason.LOOKS_WORSE}
_REVERTS = {"LimitExceeded": Reason.LIMIT_EXCEEDED, "MaxHoldExceeded": Reason.MAX_HOLD_EXCEEDED}


def meaning_of(
    answer: MonitorVerdict,
    guardrail: Assessment,
    errors: Mapping[str, tuple[ErrorAnswers, ...]],
    policy: Analysis,
    pace: Pace,
) -> tuple[Finding | None, Verdict, Reason]:
    """Say what the answer means; the finding is of the metric that it names, with the errors of that stream."""
    name = answer.metric or (policy.metrics[0].name if policy.metrics else "")
    found = next((one for one in guardrail.findings if one.metric == metric_of(name)), None)
    verdict, reason = verdict_of(answer, pace)
    detail = found.detail if found else ""
    message = _sentence(answer, name, policy, pace, detail) if verdict is not Verdict.SAFE else _safe(answer, guardrail)
    if found is None:
        return None, verdict, reason
    evidence = answer.evidence.get(name)
    against = errors.get(name, ()) if verdict is Verdict.UNSAFE or reason in _DOUBTFUL else ()
    finding = Finding(
        metric=found.metric,
        verdict=verdict,
        reason=reason,
        message=with_errors(message, against),
        query=found.query,
        value=evidence.rate_challenger if evidence and evidence.rate_challenger is not None else found.value,
        limit=_limit(answer, found, policy),
        baseline=evidence.rate_champion if evidence and evidence.rate_champion is not None else found.baseline,
        samples=evidence.n_challenger if evidence else found.samples,
        errors=against,
    )
    return finding, verdict, reason


def _is_drift(metric: Metric | None) -> bool:
    return metric is not None and metric.type is QueryType.DISTRIBUTION


def comparisons_of(answer: MonitorVerdict) -> tuple[Comparison, ...]:
    """Give what is known of each stream."""
    return tuple(_comparison(name, one) for name, one in answer.evidence.items())


def _comparison(name: str, one: Evidence) -> Comparison:
    return Comparison(
        metric=name,
        status=one.status,
        requests_canary=one.n_challenger,
        requests_stable=one.n_champion,
        events=one.events,
        rate_canary=one.rate_challenger,
        rate_stable=one.rate_champion,
        estimate=one.estimate,
        lower=one.lower,
        upper=one.upper,
        e_value=one.e_value,
    )


def verdict_of(answer: MonitorVerdict, pace: Pace) -> tuple[Verdict, Reason]:
    """Say which of the four verdicts the answer is, and why."""
    if answer.action == "Promote" or answer.reason == "LastStage" or _was_shared(answer, pace):
        return Verdict.SAFE, Reason.WITHIN_LIMITS
    if answer.action == "Rollback":
        return Verdict.UNSAFE, _REVERTS.get(answer.reason, Reason.WORSE)
    verdict = Verdict.BLIND if answer.reason == "NoData" else Verdict.UNDECIDED
    return verdict, _HOLDS.get(answer.reason, Reason.INSUFFICIENT_DATA)


def _was_shared(answer: MonitorVerdict, pace: Pace) -> bool:
    """Whether only the stage's own estimate is over a limit, and nothing speaks against the canary itself.

    An outage that both shared stays in that estimate for as long as the stage lasts. With pace Timed the guardrail's
    window says what holds now, and the guardrail has been asked before.
    """
    return pace is Pace.TIMED and answer.reason == "Suspicious" and answer.e_total < SUSPICIOUS_E


def _safe(answer: MonitorVerdict, guardrail: Assessment) -> str:
    if answer.e_total < LEAST_E:
        return f"{guardrail.message}; no evidence against the canary"
    return f"{guardrail.message}; {_odds(answer.e_total)} (1 in {SUSPICIOUS_E:.0f} would hold it)"


def _odds(e_value: float) -> str:
    return f"1-in-{shown_odds(e_value)} odds if both versions were equal"


def _sentence(answer: MonitorVerdict, name: str, policy: Analysis, pace: Pace, detail: str) -> str:
    metric = next((one for one in policy.metrics if one.name == metric_of(name)), None)
    evidence = answer.evidence.get(name)
    what = f"{metric_of(name)}{' (4xx)' if name.endswith(CLIENT_ERRORS) else ''}"
    drifts = metric is not None and _is_drift(metric)
    if answer.reason == "LooksWorse":
        parts = [_doubt(metric, what, evidence, answer, detail)]
    elif metric is not None and drifts:
        parts = [_drift(metric, what, evidence, detail)]
    else:
        parts = [f"{what} {_rates(metric, evidence)}" if evidence else what]
    if answer.e_total >= LEAST_E and not drifts and answer.reason != "LooksWorse":
        parts.append(_odds(answer.e_total))
    if answer.reason == "NotComparable":
        parts.append("its values change too little, or too slowly, to tell the two versions apart")
    if answer.reason == "NoTraffic":
        parts.append(_silent_side(evidence))
    if answer.action == "Hold" and pace is Pace.EVIDENCE:
        # With pace Timed the weight does not wait for this.
        parts.extend(_missing(answer, what_counts(metric)))
    elif answer.reason == "InsufficientData" and (evidence is None or evidence.status != "BurnIn"):
        needed = f"{requests_to_rise(policy):.0f} {what_counts(metric)} of each version"
        parts.append(f"{needed} are needed at this weight before it rises")
    return "; ".join(parts)


def outdone_of(answer: MonitorVerdict, policy: Analysis) -> str:
    """Say in which metric stable is over its limit and the canary clearly better; nothing where it is not so."""
    name = answer.outdone
    metric = next((one for one in policy.metrics if one.name == metric_of(name or "")), None)
    if name is None or metric is None:
        return ""
    return f"stable is over its limit and the canary is clearly better: {name} {_rates(metric, answer.evidence[name])}"


def _doubt(metric: Metric | None, what: str, one: Evidence | None, answer: MonitorVerdict, detail: str) -> str:
    """Say what looks worse, how sure that is, and how long it may hold the weight."""
    if metric is not None and _is_drift(metric):
        numbers = _drift(metric, "", one, detail).removeprefix(": ")
    else:
        numbers = _rates(metric, one).removeprefix("is ") if one else ""
    text = f"{what} looks worse on the canary: odds {shown_odds(answer.odds or 0.0)} to 1"
    held = f"held until it is certain, at most {shown_duration(max(answer.held_s or 0.0, 1.0))} more"
    return "; ".join(part for part in (text, numbers, held) if part)


def _rates(metric: Metric | None, one: Evidence) -> str:
    if metric is not None and metric.preset is None and one.status == "BurnIn":
        return f"has {one.events:.0f} pairs of values so far; comparing them takes {HISTORY_OF_ITS_OWN} that differ"
    if one.rate_challenger is None or one.rate_champion is None:
        return f"has {one.n_challenger:.0f} canary {what_counts(metric)} so far"
    word = of_or_over(metric)
    text = (
        f"is {shown_number(metric, one.rate_challenger)} {word} {one.n_challenger:.0f} {what_counts(metric)}, "
        f"stable {shown_number(metric, one.rate_champion)} {word} {one.n_champion:.0f}"
    )
    known = one.estimate is not None and one.lower is not None and one.upper is not None
    if metric is not None and metric.is_share and known and one.events:
        text = f"{text}, ratio {one.estimate:.3g} ({one.lower:.2g} to {one.upper:.2g})"
    return text


def _silent_side(one: Evidence | None) -> str:
    """Say which version got no requests, where the counts of this stage tell."""
    canary, stable = (one.n_challenger <= 0.0, one.n_champion <= 0.0) if one else (False, False)
    if canary and stable:
        return "no requests for either version at this weight"
    if canary or stable:
        return f"no requests for {'the canary' if canary else 'stable'} at this weight, the other version has some"
    return "one version has had no requests of late"


def _drift(metric: Metric, what: str, one: Evidence | None, detail: str) -> str:
    """Say how far apart the distributions are, what is tolerated, and where they differ most."""
    if one is None or one.estimate is None:
        return f"{what}: {one.n_challenger:.0f} values so far" if one else what
    text = f"{what}: PSI {max(0.0, one.estimate):.2f}, tolerated {tolerated_divergence(metric):.2g}"
    label = f"{metric.bucket_label} " if metric.bucket_label else ""
    return f"{text}; {label}{detail}" if detail else text


def _missing(answer: MonitorVerdict, counted: str) -> list[str]:
    """Say what is missing to decide, and when it will be there."""
    if answer.requests_needed and answer.requests_needed > HOPELESS_REQUESTS:
        return ["at the current error rates riskBudget will never allow the next step"]
    said = []
    if answer.requests_needed:
        said.append(f"{answer.requests_needed:.0f} more canary {counted} until riskBudget allows the next step")
    if answer.eta_s:
        said.append(f"about {shown_duration(answer.eta_s)}")
    if answer.suggested_weight and answer.eta_s and answer.eta_s > 3600:
        said.append(f"a first weight of {answer.suggested_weight:.0f}% would decide sooner")
    return said


def _limit(answer: MonitorVerdict, found: Finding, policy: Analysis) -> str | None:
    if answer.reason == "LooksWorse":
        return f"{LOOKS_WORSE:.0f}-to-1 odds (now {shown_odds(answer.odds or 0.0)} to 1)"
    if answer.reason in {"Worse", "Suspicious"}:
        return f"1-in-{1 / _alpha(policy):.0f} odds (now 1 in {shown_odds(answer.e_total)})"
    return found.limit


def _alpha(policy: Analysis) -> float:
    return share(policy.false_revert_rate or "0.01")
