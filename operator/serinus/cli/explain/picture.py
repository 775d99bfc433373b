"""The data of the plot: points and lines of the three panels, from the record or from Prometheus."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise

from serinus.api.durations import in_base_units, seconds
from serinus.api.parsing import unix_seconds
from serinus.api.policy import Metric
from serinus.api.rollout import DecisionRecord
from serinus.cli.errors import Refused
from serinus.cli.explain.account import Account
from serinus.cli.explain.history import Archive, Span, observed, recorded
from serinus.cli.explain.rates import RatePoint, Rates, rates_of
from serinus.cli.explain.replay import EvidencePoint, WeightChange, disagreement, played_again, weight_changes
from serinus.cli.moments import clock_time
from serinus.core.analysis.sequential.bounds import confidence_bounds
from serinus.core.model.assessment import Observation

_CHANCE = re.compile(r"1[ -]in[ -]([0-9.]+(?:e[+-]?[0-9]+)?) (?:odds|by chance)")
MOST_RATES = 3
RECORD_ALONE = "only the stored points; --prometheus URL draws the curves"


@dataclass(frozen=True)
class Picture:
    """Panels that share their time: weight, the metrics that matter, evidence.

    `connected` says whether rates and evidence are curves or lone points.
    """

    account: Account
    span: Span
    stages: tuple[WeightChange, ...]
    rates: tuple[Rates, ...]
    evidence: tuple[EvidencePoint, ...]
    stored: tuple[tuple[float, float], ...]
    connected: bool
    note: str = ""

    @property
    def title(self) -> str:
        """What was tried, and what became of it."""
        spec, status = self.account.rollout.spec, self.account.rollout.status
        before = f" instead of version {spec.from_.version}" if spec.from_ else ""
        where = f"{self.account.namespace}/{self.account.name}"
        return f"{where}: version {spec.to.version}{before}: {status.phase} ({status.reason})"


def recorded_picture(account: Account, now: float) -> Picture:
    """Draw what the status holds."""
    span = _span(account, now)
    return Picture(
        account=account,
        span=span,
        stages=_stages(account, span),
        rates=tuple(filter(None, (_stored_rates(account, span),))),
        evidence=(),
        stored=_stored_evidence(account, span),
        connected=False,
        note=RECORD_ALONE,
    )


def remembered_picture(account: Account, archive: Archive, now: float) -> Picture:
    """Draw what Prometheus remembers, with what the status holds beside it; raises Refused without an answer."""
    picture = recorded_picture(account, now)
    series = recorded(account, picture.span, archive)
    observations = observed(account, picture.span, archive, series)
    if not observations:
        span = f"{clock_time_of(account)}"
        return replace(picture, note=f"Prometheus has no samples of both revisions since {span}; {RECORD_ALONE}")
    again = played_again(account, picture.span, series, archive)
    rates = _drawable(account, observations, again.points, picture.span.start)
    note = disagreement(account, again, seconds(account.rollout.spec.analysis.interval or "5s"))
    return replace(picture, rates=rates or picture.rates, evidence=again.points, connected=True, note=note)


def clock_time_of(account: Account) -> str:
    """When it got its first traffic, for people."""
    return clock_time(account.first_traffic or "")


def _span(account: Account, now: float) -> Span:
    first, last = account.first_traffic, account.ended
    if first is None:
        raise Refused(f"{account.rollout.name} has had no traffic: nothing to plot")
    start = unix_seconds(first)
    return Span(start, max(unix_seconds(last) if last else now, start + 1.0))


def _stages(account: Account, span: Span) -> tuple[WeightChange, ...]:
    """The weights of the record, and the present one where it differs: the weight falls without a record each time."""
    stages = [stage for stage in weight_changes(account) if stage.at <= span.end + 1.0]
    status = account.rollout.status
    changed = unix_seconds(status.weight_changed_at)
    if stages and stages[-1].weight != status.weight and changed > stages[-1].at:
        stages.append(WeightChange(changed, status.weight))
    return tuple(stages)


def _drawable(
    account: Account, observations: dict[str, Observation], points: tuple[EvidencePoint, ...], start: float
) -> tuple[Rates, ...]:
    """The metric that decided first, then those with most evidence against them, as far as they can be drawn."""
    deciding, peaks = account.deciding, peaks_of(points)
    metrics = sorted(
        account.rollout.spec.analysis.metrics,
        key=lambda one: (
            deciding is None or one.name != deciding.metric,
            -max((value for stream, value in peaks.items() if stream.partition("/")[0] == one.name), default=0.0),
        ),
    )
    found = (rates_of(one, observations[one.name], start) for one in metrics if one.name in observations)
    return tuple(rates for rates in found if rates is not None)[:MOST_RATES]


def peaks_of(points: tuple[EvidencePoint, ...]) -> dict[str, float]:
    """The most that ever spoke against the canary, by stream."""
    peaks: dict[str, float] = {}
    for point in points:
        for name, value in point.streams.items():
            peaks[name] = max(peaks.get(name, 0.0), value)
    return peaks


def _stored_rates(account: Account, span: Span) -> Rates | None:
    """The values of the decision records, and of the last comparison with its bands."""
    records = [record for record in account.rollout.status.decisions if record.metric and record.value]
    name = (account.deciding.metric if account.deciding else None) or next(
        (record.metric for record in records), account.comparisons[0].metric if account.comparisons else None
    )
    metric = account.metric(name or "")
    if metric is None:
        return None
    mine = [record for record in records if record.metric == metric.name]
    canary = [point for record in mine if (point := _point(record, record.value))]
    stable = [point for record in mine if (point := _point(record, record.baseline))]
    last = _compared(account, metric)
    if last is not None and span.start <= last[0].at:
        canary, stable = [*canary, last[0]], [*stable, last[1]]
    ordered = [tuple(sorted(points, key=lambda one: one.at)) for points in (canary, stable)]
    return Rates(metric, None, ordered[0], ordered[1])


def _point(record: DecisionRecord, text: str | None) -> RatePoint | None:
    try:
        return RatePoint(unix_seconds(record.last_time), in_base_units(text)) if text else None
    except ValueError:
        return None


def _compared(account: Account, metric: Metric) -> tuple[RatePoint, RatePoint] | None:
    """Both rates over the whole rollout, as last stored."""
    one = account.comparison(metric.name)
    if one is None or account.looked is None or one.rate_canary is None or one.rate_stable is None:
        return None
    at = unix_seconds(account.looked)
    return (
        _banded(metric, at, one.rate_canary, one.requests_canary),
        _banded(metric, at, one.rate_stable, one.requests_stable),
    )


def _banded(metric: Metric, at: float, rate: float, requests: float) -> RatePoint:
    if metric.preset != "error-rate":
        return RatePoint(at, rate)
    lower, upper = confidence_bounds(rate * requests, requests)
    return RatePoint(at, rate, float(lower), float(upper))


def _stored_evidence(account: Account, span: Span) -> tuple[tuple[float, float], ...]:
    """The evidence that the status tells: with its decisions, and at the last look."""
    points = {}
    for record in account.rollout.status.decisions:
        if found := _CHANCE.search(record.message or ""):
            points[unix_seconds(record.last_time)] = float(found[1])
    if account.evidence is not None and account.looked is not None:
        points.setdefault(unix_seconds(account.looked), account.evidence)
    return tuple(sorted((at, value) for at, value in points.items() if at >= span.start))


def weights_line(stages: tuple[WeightChange, ...], end: float) -> tuple[list[float], list[float]]:
    """The weight as steps: times and per cent, up to an end."""
    times, weights = [], []
    for stage, following in pairwise((*stages, WeightChange(max(end, stages[-1].at if stages else end), 0))):
        times += [stage.at, following.at]
        weights += [float(stage.weight)] * 2
    return times, weights
