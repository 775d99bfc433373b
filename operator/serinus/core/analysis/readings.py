"""From increments and answers to readings: a number with its samples, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from serinus.api.judging import ClientErrors
from serinus.api.policy import Metric, Preset, Provider
from serinus.api.status import Verdict
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.quantile import histogram_quantile
from serinus.core.analysis.tally import LastSample
from serinus.core.analysis.words import shown_duration
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer
from serinus.core.model.assessment import ErrorAnswers, Measured, Missing, Observation, Reading, Reason
from serinus.core.model.rollout import shortened

_REASONS = {
    Failure.UNREACHABLE: Reason.UNREACHABLE,
    Failure.REFUSED: Reason.REFUSED,
    Failure.PARTIAL: Reason.PARTIAL_ANSWER,
}
_OWN_COUNTERS = {Provider.TRITON: "Triton", Provider.VLLM: "vLLM"}
_IDLE = "no request reached this revision in the window"
_CURE = "if no series means 0, say so: (sum(...) or vector(0)) where something is counted, or ... or on() vector(0)"
LONGEST_SHOWN = 160
"""Bytes of a query in a sentence."""


@dataclass(frozen=True)
class Window:
    """The time that a value is taken over, (since, until], and what may have left it empty.

    Its stage counts from `began` on, after a warm-up where `warms_up`, and what was counted across that moment only
    where `whole` is not set; `until` is before `now` by as much as the source shows its samples late. `scraped` is when
    anything was scraped last of what would count requests: neither revision need have had one before that.
    """

    began: float
    since: float
    until: float
    now: float
    scrape_interval: float
    warms_up: bool = False
    whole: bool = False
    scraped: float | None = None

    def emptied_by(self, newest: float | None) -> str | None:
        """Say why a window without requests tells nothing, given the newest scrape of either revision.

        None where it tells want of traffic: a whole scrape interval lies in it. In the second before a scrape that is
        seldom made nobody need have asked.
        """
        if newest is not None and newest - self.scrape_interval > self.since:
            return None
        began = "the warm-up ended" if self.warms_up else "the stage began"
        whole = self.whole or (newest is not None and newest > self.since)
        what, one = ("whole scrape interval", "a scrape") if whole else ("scrape", "one")
        text = f"no {what} yet since {began} {max(0.0, self.now - self.began):.0f} s ago"
        late = self.now - self.until
        every = f"{one} comes every {self.scrape_interval:.0f} s"
        return f"{text}: {every}{f', {late:.0f} s late' if late else ''}"


def observe_preset(
    metric: Metric,
    *,
    query: str,
    canary: tuple[Totals, LastSample],
    stable: tuple[Totals, LastSample],
    targets_fresh: bool,
    span: Window | None = None,
    at_gateways: float | None = None,
) -> Observation:
    """Read a preset of both revisions; `targets_fresh` tells a missing series from a missing scrape.

    `at_gateways` are the canary's requests in the window as gateways count them, None where none is asked: they tell
    want of traffic from a server that has no such series.
    """
    value, errors = _value_of(metric, canary[0], stable[0]), _errors_of(metric, canary[0], stable[0])
    seen = [freshness.newest for _, freshness in (canary, stable) if freshness.newest is not None]
    emptied = span.emptied_by(max(seen, default=span.scraped)) if span is not None else None
    now = span.now if span is not None else None
    reading = _reading(
        value,
        *canary,
        targets_fresh=targets_fresh or stable[1].fresh,
        emptied=emptied,
        now=now,
        uncounted=_uncounted(metric, at_gateways),
    )
    return Observation(
        canary=replace(reading, errors=errors) if isinstance(reading, Measured) else reading,
        stable=_reading(
            value,
            *stable,
            targets_fresh=targets_fresh or canary[1].fresh,
            emptied=emptied,
            now=now,
            uncounted=_uncounted(metric, None),
        ),
        query=query,
    )


def read_own_answer(answer: MetricsAnswer, now: float, requests: float | None = None, *, query: str = "") -> Reading:
    """Read the answer to a user's query: exactly one number, or a reason.

    `requests` is what the gateway counted for this revision in the query's window, None where it is not known: it tells
    a query that gives nothing for want of traffic from one that gives nothing although there is traffic. `query` is
    how it was asked.
    """
    if isinstance(answer, NoAnswer):
        return no_answer(answer)
    series = [one for one in answer.series if one.samples]
    if not series:
        return _no_series(requests, query)
    if len(series) > 1:
        return Missing(
            Verdict.BLIND, Reason.SEVERAL_SERIES, f"the query gives {len(series)} series where one number is needed"
        )
    value = series[0].samples[-1][1]
    if math.isnan(value) and requests == 0:
        return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, f"{_IDLE}: the query divides 0 by 0", 0.0)
    if not math.isfinite(value):
        traffic = f" although {requests:.0f} requests reached this revision in the window" if requests else ""
        return Missing(Verdict.BLIND, Reason.NOT_A_NUMBER, f"the query gives {value}{traffic}", requests)
    return Measured(value, float(len(series)) if requests is None else requests, now)


def _no_series(requests: float | None, query: str) -> Missing:
    """Tell want of traffic from a counter that has no series yet: the first event makes it. A wrong name has none."""
    check = f"check the names in {shortened(query, LONGEST_SHOWN)}" if query else "check its names"
    if requests:
        came = f"although {requests:.0f} requests reached this revision in the window"
        text = f"the query gives no series {came}: {check}; {_CURE}"
        return Missing(Verdict.UNDECIDED, Reason.NO_SERIES, text, requests)
    if requests is None:
        return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, f"the query gives no series yet: {check}; {_CURE}")
    return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, f"{_IDLE}: the query gives no series", 0.0)


def no_answer(answer: NoAnswer) -> Missing:
    """Say that the source could not be asked; that is Blind, not bad."""
    return Missing(Verdict.BLIND, _REASONS[answer.failure], answer.message)


def is_wrong_query(answer: NoAnswer) -> bool:
    """Tell PromQL that is wrong, and will be tomorrow, from a source that will not answer us now."""
    wrong = answer.message.startswith("HTTP 400") or "bad_data" in answer.message
    return answer.failure is Failure.REFUSED and wrong


def _reading(
    value: Callable[[Totals], float | None],
    totals: Totals,
    freshness: LastSample,
    *,
    targets_fresh: bool,
    emptied: str | None,
    uncounted: Missing,
    now: float | None = None,
) -> Reading:
    if freshness.newest is None:
        if not targets_fresh:
            return Missing(Verdict.BLIND, Reason.TARGETS_ABSENT, "the scrape targets are absent or stale")
        return uncounted if emptied is None else _empty(emptied, "")
    if not freshness.fresh:
        old = f" ({shown_duration(max(0.0, now - freshness.newest))})" if now is not None else ""
        return Missing(Verdict.BLIND, Reason.STALE, f"the newest sample is older than three scrape intervals{old}")
    if totals.requests <= 0:
        return _empty(emptied, _IDLE)
    number = value(totals)
    if number is None:
        return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, "the histogram is empty", totals.requests)
    return Measured(number, totals.requests, freshness.newest)


def _uncounted(metric: Metric, at_gateways: float | None) -> Missing:
    """Say what it means that there is no series: of a server's own counters also that it may be another server."""
    whose = _OWN_COUNTERS.get(metric.counted_by)
    if whose is None or at_gateways == 0:
        return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, "no request has reached this revision yet", 0.0)
    if at_gateways is None:
        text = f"{whose}'s counters show no request to this revision yet"
        return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, text, 0.0)
    text = (
        f"{whose}'s counters show nothing, although {at_gateways:.0f} requests reached this revision through a gateway"
        f" in the window: if its server has no series of {whose}'s, write a spec.analysis without them"
    )
    return Missing(Verdict.UNDECIDED, Reason.NO_SERIES, text, at_gateways)


def _empty(emptied: str | None, otherwise: str) -> Missing:
    """Tell want of a scrape from want of traffic."""
    if emptied is not None:
        return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, emptied, 0.0)
    return Missing(Verdict.UNDECIDED, Reason.NO_TRAFFIC, otherwise, 0.0)


def _value_of(metric: Metric, canary: Totals, stable: Totals) -> Callable[[Totals], float | None]:
    match metric.preset:
        case Preset.ERROR_RATE:
            count_client_errors = counts_client_errors(metric, canary, stable)
            return lambda totals: _error_rate(totals, count_client_errors=count_client_errors)
        case Preset.LATENCY if metric.provider is Provider.TRITON:
            return lambda totals: totals.seconds / totals.success if totals.success else None
        case Preset.LATENCY | Preset.TIME_TO_FIRST_TOKEN | Preset.TIME_PER_OUTPUT_TOKEN:
            return lambda totals: histogram_quantile(float(metric.quantile or "0.99"), totals.slower)
        case _:
            return lambda totals: totals.requests


def _errors_of(metric: Metric, canary: Totals, stable: Totals) -> tuple[ErrorAnswers, ...]:
    """List the canary's errors that its rate counts."""
    if metric.preset is not Preset.ERROR_RATE:
        return ()
    counted = counts_client_errors(metric, canary, stable)
    return tuple(one for one in canary.error_answers if counted or not one.blames_caller)


def counts_client_errors(metric: Metric, canary: Totals, stable: Totals) -> bool:
    """A changed schema shows as 4xx of the canary alone; callers' own faults show on both."""
    if metric.client_errors is not ClientErrors.COMPARE:
        return metric.client_errors is ClientErrors.COUNT
    return _client_error_share(canary) > _client_error_share(stable)


def _client_error_share(totals: Totals) -> float:
    return totals.client_errors / totals.requests if totals.requests else 0.0


def _error_rate(totals: Totals, *, count_client_errors: bool) -> float:
    errors = totals.server_errors + (totals.client_errors if count_client_errors else 0.0)
    return errors / totals.requests
