"""The fixed limit: a metric outside its range in more than `failureLimit` consecutive looks is Unsafe.

One assessment over all metrics, from one look and the remembered state. In Sequential mode a limit condemns only what
neither stable, nor one short burst, nor chance explains, and after 100 % no outage as short as stable has had.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from serinus.api.durations import seconds
from serinus.api.judging import Mode, OnBlind, QueryType
from serinus.api.policy import Analysis, Metric, Preset
from serinus.api.status import Verdict
from serinus.core.analysis.shares import counts_of
from serinus.core.analysis.source_time import least_window
from serinus.core.analysis.words import of_or_over, shown_duration, shown_number, what_counts, with_errors
from serinus.core.model.assessment import (
    AnalysisState,
    Assessment,
    Finding,
    Increment,
    Look,
    Measured,
    Missing,
    Observation,
    Reading,
    Reason,
    Stage,
)
from serinus.core.model.exposure import FULL_WEIGHT

DEFAULT_WINDOW = 60.0
_WEIGHTIEST_FIRST = (Verdict.UNSAFE, Verdict.BLIND, Verdict.UNDECIDED, Verdict.SAFE)


def check_limits(
    look: Look,
    known: AnalysisState,
    stage: Stage,
    policy: Analysis,
    now: float,
    *,
    longest_outage_s: float | None = None,
) -> tuple[AnalysisState, Assessment]:
    """Judge one look. `stage` is what is judged; `now` times blindness.

    `longest_outage_s` is the longest that stable was over a limit before the rollout, None where nobody knows.
    """
    judged = [_judge(metric, look, known) for metric in policy.metrics]
    excused: dict[str, float] = {}
    exceeded: dict[str, float] = {}
    if policy.mode is Mode.SEQUENTIAL:
        if stage.weight < FULL_WEIGHT:
            excused = _excuses(look, known, policy)
            judged = [_excused(one, excused, known) for one in judged]
        elif longest_outage_s is not None:
            exceeded = _exceeded_since(judged, look, known, policy)
            judged = [_outlasted(one, exceeded, look, longest_outage_s) for one in judged]
        judged = [_doubted(one, metric, look, stage, known) for one, metric in zip(judged, policy.metrics, strict=True)]
    findings = tuple(finding for finding, _ in judged)
    failures = {finding.metric: count for finding, count in judged if count}
    watched = {metric.name for metric in policy.metrics if metric.gating is False}
    decisive = _decisive(tuple(finding for finding in findings if finding.metric not in watched))
    verdict = decisive.verdict if decisive else Verdict.SAFE
    blind_since = (known.blind_since or now) if verdict is Verdict.BLIND else None
    assessment = Assessment(look.at, verdict, decisive.reason if decisive else Reason.WITHIN_LIMITS, decisive, findings)
    return AnalysisState(failures, excused, look.at, blind_since, exceeded=exceeded), assessment


def window_of(metric: Metric) -> float:
    """The time in seconds that a metric's value is taken over, if scrapes come often enough for it."""
    return seconds(metric.window) if metric.window else DEFAULT_WINDOW


def blind_too_long(known: AnalysisState, policy: Analysis, now: float) -> bool:
    """Whether the user's policy asks for the way back after this time of blindness."""
    if known.blind_since is None or policy.on_blind is not OnBlind.REVERT:
        return False
    return now - known.blind_since >= seconds(policy.blind_timeout or "5m")


def _decisive(findings: tuple[Finding, ...]) -> Finding | None:
    for verdict in _WEIGHTIEST_FIRST:
        for finding in findings:
            if finding.verdict is verdict:
                return finding
    return None


def _judge(metric: Metric, look: Look, known: AnalysisState) -> tuple[Finding, int]:
    """Judge one metric; the second value is its number of failing looks in a row."""
    before, observation = known.failures.get(metric.name, 0), look.observations.get(metric.name)
    if observation is None:
        missing = Missing(Verdict.BLIND, Reason.UNREACHABLE, "the metric was not queried")
        return _not_measured(metric, Observation(missing, None, ""), missing), before
    reading = observation.canary
    if isinstance(reading, Missing):
        return _not_measured(metric, observation, reading), before
    if too_few := _too_few(metric, reading, _within(metric, look)):
        return _finding(metric, observation, Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, too_few), before
    limit = exceeded_limit(metric, reading.value)
    if limit is None:
        text = f"{metric.name} is {_shown(metric, reading.value)}{_made_of(reading)}"
        return _finding(metric, observation, Verdict.SAFE, Reason.WITHIN_LIMITS, text), 0
    return _failing(metric, look, reading, limit, before + 1)


def _excuses(look: Look, known: AnalysisState, policy: Analysis) -> dict[str, float]:
    """Until when each metric's limit condemns nobody: a fault that both share is not the canary's.

    Stable counts as over the limit by its window or by its newest scrape, and for one window after that: while a shared
    outage enters or leaves the window both rates cross the limit, and whose crosses first is chance.
    """
    excuses: dict[str, float] = {}
    for metric in policy.metrics:
        observation = look.observations.get(metric.name)
        longest = look.at + least_window(window_of(metric), look.scrape_interval)
        # Never longer than one window from now on: a leader whose clock was ahead may have written it.
        until = min(known.excused.get(metric.name, 0.0), longest)
        if observation is not None and _stable_is_over(metric, observation):
            until = longest
        if until > look.at:
            excuses[metric.name] = round(until, 3)
    return excuses


def _stable_is_over(metric: Metric, observation: Observation) -> bool:
    readings = (observation.stable, _newest_scrape(metric, observation, lambda newest: newest.stable))
    return any(
        isinstance(reading, Measured)
        and exceeded_limit(metric, reading.value) is not None
        and (reading.samples is None or reading.samples >= (metric.least_samples or 0))
        for reading in readings
    )


def _newest_scrape(
    metric: Metric, observation: Observation, counts: Callable[[Increment], tuple[float, ...]]
) -> Measured | None:
    """Give one revision's share of failures in its last scrape."""
    if not metric.is_share or not observation.increments:
        return None
    newest = observation.increments[-1]
    requests, failures = counts_of(metric, counts(newest))
    return Measured(failures / requests, requests, newest.at) if requests else None


def _excused(judged: tuple[Finding, int], excuses: Mapping[str, float], known: AnalysisState) -> tuple[Finding, int]:
    """Hold, and count nothing, where a limit is exceeded and excused."""
    finding, _ = judged
    if not _is_failing(finding) or finding.metric not in excuses:
        return judged
    return _held(finding, Reason.COMMON_CAUSE, ": stable is, or just was, over the same limit"), _before(finding, known)


def _doubted(
    judged: tuple[Finding, int], metric: Metric, look: Look, stage: Stage, known: AnalysisState
) -> tuple[Finding, int]:
    """Hold, and count nothing, where a limit is exceeded and the canary need not be the cause.

    At 100 % it counts: a guard does not end while a limit is exceeded, whatever may explain it.
    """
    finding, count = judged
    if not _is_failing(finding):
        return judged
    # Late: numpy and scipy are the price of Sequential mode alone.
    from serinus.core.analysis.doubt import doubt

    why = doubt(metric, look.observations[metric.name], stage)
    if why is None:
        return judged
    held = _held(finding, Reason.SUSPICIOUS, f"; {why}")
    return held, count if stage.weight == FULL_WEIGHT else _before(finding, known)


def _exceeded_since(
    judged: Sequence[tuple[Finding, int]], look: Look, known: AnalysisState, policy: Analysis
) -> dict[str, float]:
    """Since when each limit has been exceeded without a break; a good newest scrape is one, whatever the window holds.

    A scrape of fewer than `minSamples` requests is no break: a bad version has good scrapes, too, if they are small.
    """
    since: dict[str, float] = {}
    for (finding, _), metric in zip(judged, policy.metrics, strict=True):
        if not _is_failing(finding):
            continue
        newest = _newest_scrape(metric, look.observations[metric.name], lambda one: one.canary)
        if newest is None or not _is_within(metric, newest):
            since[metric.name] = min(known.exceeded.get(metric.name, look.at), look.at)
    return since


def _is_within(metric: Metric, scrape: Measured) -> bool:
    enough = (scrape.samples or 0.0) >= (metric.least_samples or 0)
    return enough and exceeded_limit(metric, scrape.value) is None


def _outlasted(
    judged: tuple[Finding, int], exceeded: Mapping[str, float], look: Look, longest: float
) -> tuple[Finding, int]:
    """Hold, at 100 %, what has not lasted longer than an outage of stable's: nothing else tells them apart there."""
    finding, count = judged
    if not _is_failing(finding) or look.at - exceeded.get(finding.metric, look.at) > longest:
        return judged
    text = f"; held: stable has been over this limit for {shown_duration(longest)} at a time before"
    return _held(finding, Reason.SUSPICIOUS, text), count


def _is_failing(finding: Finding) -> bool:
    return finding.verdict is Verdict.UNSAFE or finding.reason is Reason.SUSPICIOUS


def _held(finding: Finding, reason: Reason, why: str) -> Finding:
    text = finding.message.partition(" (")[0] + why
    return replace(finding, verdict=Verdict.UNDECIDED, reason=reason, message=text)


def _before(finding: Finding, known: AnalysisState) -> int:
    return known.failures.get(finding.metric, 0)


def _failing(metric: Metric, look: Look, reading: Measured, limit: str, failures: int) -> tuple[Finding, int]:
    observation = look.observations[metric.name]
    allowed = metric.failure_limit or 0
    unsafe = failures > allowed
    value = f"{_shown(metric, reading.value)}{_of_requests(metric, reading, _within(metric, look))}"
    text = f"{metric.name} is {value}, limit {limit}{_beside(metric, observation.stable)}"
    if not unsafe:
        text = f"{text} ({failures} of {allowed} tolerated looks)"
    verdict, reason = (Verdict.UNSAFE, Reason.LIMIT_EXCEEDED) if unsafe else (Verdict.UNDECIDED, Reason.SUSPICIOUS)
    finding = _finding(metric, observation, verdict, reason, with_errors(text, reading.errors), limit=limit)
    return replace(finding, errors=reading.errors), failures


def _too_few(metric: Metric, reading: Measured, within: str) -> str | None:
    """Say what is missing; a request count below its minimum is want of traffic and no fault of the canary."""
    if metric.preset is Preset.REQUEST_COUNT:
        lower = metric.bounds.lower
        if lower is not None and reading.value < lower:
            return f"{metric.name} is {reading.value:.0f} {within}, {lower:.0f} are needed"
        return None
    needed = metric.least_samples
    if needed is None or reading.samples is None or reading.samples >= needed:
        return None
    return f"{metric.name} has {reading.samples:.0f} {what_counts(metric)} {within}, {needed} are needed"


def exceeded_limit(metric: Metric, value: float) -> str | None:
    """Name the bound that a value is beyond, or None."""
    if metric.type is QueryType.DISTRIBUTION:
        # A divergence of few answers is noise: only the drift test, which knows their number, may condemn it.
        return None
    bounds = metric.bounds
    if bounds.upper is not None and value > bounds.upper:
        return f"max {bounds.max}"
    if bounds.lower is not None and value < bounds.lower:
        return f"min {bounds.min}"
    return None


def _not_measured(metric: Metric, observation: Observation, missing: Missing) -> Finding:
    return _finding(metric, observation, missing.verdict, missing.reason, f"{metric.name}: {missing.message}")


def _finding(
    metric: Metric,
    observation: Observation,
    verdict: Verdict,
    reason: Reason,
    message: str,
    *,
    limit: str | None = None,
) -> Finding:
    reading = observation.canary
    return Finding(
        metric=metric.name,
        verdict=verdict,
        reason=reason,
        message=message,
        query=observation.query,
        value=reading.value if isinstance(reading, Measured) else None,
        limit=limit or _limits(metric) or None,
        baseline=observation.stable.value if isinstance(observation.stable, Measured) else None,
        samples=reading.samples,
        detail=reading.detail if isinstance(reading, Measured) else "",
    )


def _limits(metric: Metric) -> str:
    bounds = metric.bounds
    return ", ".join(f"{name} {value}" for name, value in (("min", bounds.min), ("max", bounds.max)) if value)


def _beside(metric: Metric, stable: Reading | None) -> str:
    return f", stable {_shown(metric, stable.value)}" if isinstance(stable, Measured) else ""


def _of_requests(metric: Metric, reading: Measured, within: str) -> str:
    if not (metric.is_share or metric.is_latency) or reading.samples is None:
        return ""
    return f" {of_or_over(metric)} {reading.samples:.0f} {what_counts(metric)} {within}"


def _within(metric: Metric, look: Look) -> str:
    """Say over which time the numbers of a window are taken: without it they would seem to count backwards."""
    return f"in the last {shown_duration(least_window(window_of(metric), look.scrape_interval))}"


def _made_of(reading: Measured) -> str:
    return f" ({reading.detail})" if reading.detail else ""


def _shown(metric: Metric, value: float) -> str:
    return shown_number(metric, value)
