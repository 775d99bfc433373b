"""From a Canary's metrics to ours: the two that Flagger has, and queries of MetricTemplates."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from serinus.cli.convert.argo_analysis import MOST_FAILURES
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import duration, number, threshold
from serinus.cli.convert.metrics import MetricList, filled
from serinus.cli.convert.original import Place
from serinus.core.model.kinds import Json

TOKENS_OF_FLAGGER: Final = {
    "name": "{{name}}",
    "namespace": "{{namespace}}",
    "target": "{{service}}",
    "service": "{{name}}",
    "interval": "{{window}}",
}
"""The canary's Deployment is called as its Service, the name before the hash: the hash alone is no name of a pod."""
CANARYS_SERVICE: Final = re.compile(r"\{\{-?\s*(?:service|target)\s*-?\}\}-canary")
TEMPLATE: Final = {
    "spec.provider.address": "name it as a source in the operator's configuration",
    "spec.provider.secretRef": "a source's credentials are in the operator's configuration",
    "spec.provider.insecureSkipVerify": "a source's TLS settings are in the operator's configuration",
}
"""Why a field of a template is left out."""


def flagger_metrics(draft: Draft, analysis: Place) -> None:
    """Carry the metrics over, one by one."""
    metrics = MetricList()
    failures = _failures(draft, analysis)
    for index in draft.original.items(*analysis, "metrics"):
        place = (*analysis, "metrics", index)
        why = _metric(draft, metrics, place, failures)
        if why is not None:
            draft.lost(place, f"({draft.original.look(*place, 'name')}) {why}")
    if failures is not None and metrics.metrics:
        draft.note(
            "spec.analysis.metrics[].failureLimit",
            f"Flagger goes back after {failures + 1} failed checks in all, one an interval; here it is {failures}"
            " consecutive evaluations that are tolerated, one every 5s (spec.analysis.interval)",
        )
    metrics.write(draft)


def _failures(draft: Draft, analysis: Place) -> int | None:
    """Read how many failing evaluations are tolerated; none is the default of both."""
    checks = draft.original.whole(*analysis, "threshold")
    if checks is None or checks <= 1:
        return None
    if checks > MOST_FAILURES:
        draft.note("spec.analysis.metrics[].failureLimit", f"was {checks} failed checks: at most {MOST_FAILURES}")
    return min(checks, MOST_FAILURES) - 1


def _metric(draft: Draft, metrics: MetricList, place: Place, failures: int | None) -> str | None:
    """Carry a metric over; gives why not."""
    original = draft.original
    name = original.text(*place, "name") or ""
    interval = original.text(*place, "interval")
    common: Json = {"window": duration(interval), "failureLimit": failures}
    if interval is not None and common["window"] is None:
        draft.lost((*place, "interval"), f"{interval} is no duration above 0, such as 30s or 1m")
    if original.look(*place, "templateRef") is not None or original.look(*place, "query") is not None:
        return _own(draft, metrics, place, name, common)
    match name:
        case "request-success-rate":
            return _error_rate(draft, metrics, place, common)
        case "request-duration":
            return _latency(draft, metrics, place, common)
        case _:
            return "is none that Flagger has, and names no template: write its query under spec.analysis.metrics"


def _bound(draft: Draft, place: Place, side: str) -> Decimal | None:
    """Read a bound; `threshold` is its name in older manifests."""
    value = draft.original.take(*place, "thresholdRange", side)
    old = draft.original.take(*place, "threshold")
    return number(old if value is None else value)


def _error_rate(draft: Draft, metrics: MetricList, place: Place, common: Json) -> str | None:
    """Turn a lowest share of successes into a highest share of errors."""
    least = _bound(draft, place, "min")
    if least is None or not 0 < least <= 100:
        return "needs thresholdRange.min between 0 and 100"
    metric = {"preset": "error-rate", "thresholdRange": {"max": threshold(100 - least, "%")}}
    refused = metrics.add("error-rate", metric | common)
    if refused is None:
        draft.note(
            f"spec.analysis.metrics[{len(metrics.metrics) - 1}]",
            "4xx count as well where they are more than stable's; as in Flagger, clientErrors: Ignore counts 5xx alone",
        )
    return refused


def _latency(draft: Draft, metrics: MetricList, place: Place, common: Json) -> str | None:
    most = _bound(draft, place, "max")
    if most is None or most <= 0:
        return "needs thresholdRange.max in milliseconds"
    metric = {"preset": "latency", "quantile": "0.99", "thresholdRange": {"max": threshold(most, "ms")}}
    return metrics.add("latency-p99", metric | common)


def _own(draft: Draft, metrics: MetricList, place: Place, name: str, common: Json) -> str | None:
    """Carry over a query of the Canary's, or of the template that it names."""
    bounds = _range(draft, place)
    if not bounds:
        return "needs a thresholdRange: nothing else judges it"
    query, why = _query(draft, place)
    if query is None:
        return why
    variables = {
        f"variables.{key}": draft.original.text(*place, "templateVariables", key) or ""
        for key in draft.original.keys(*place, "templateVariables")
    }
    text, unknown = filled(CANARYS_SERVICE.sub("{{ canarys_service }}", query), _tokens() | variables)
    if unknown:
        return f"{', '.join(unknown)} is not known here: write its query under spec.analysis.metrics"
    if common["window"] is None and "{{window}}" in text:
        common = common | {"window": "1m"}
    return metrics.own(draft, name, text, {"thresholdRange": bounds, **common})


def _query(draft: Draft, place: Place) -> tuple[str | None, str]:
    """Find the query, or say why there is none."""
    inline = draft.original.text(*place, "query")
    if inline is not None:
        return inline, ""
    wanted = draft.original.text(*place, "templateRef", "name") or ""
    draft.original.take(*place, "templateRef")
    template = draft.find(wanted, "MetricTemplate")
    if template is None:
        return None, f"MetricTemplate {wanted} is not in the file: write its query under spec.analysis.metrics"
    kind = template.text("spec", "provider", "type")
    if kind != "prometheus":
        template.take("spec")
        return None, f"MetricTemplate {wanted} asks {kind}: only Prometheus is asked here"
    return template.text("spec", "query") or "", ""


def _tokens() -> dict[str, str]:
    return {**TOKENS_OF_FLAGGER, "canarys_service": "{{service}}"}


def _range(draft: Draft, place: Place) -> Json:
    found = {}
    for side in ("min", "max"):
        value = number(draft.original.take(*place, "thresholdRange", side))
        written = None if value is None else threshold(value)
        if written is not None:
            found[side] = written
    old = number(draft.original.take(*place, "threshold"))
    if not found and old is not None and (written := threshold(old)) is not None:
        found["max"] = written
    return found if len(found) < 2 or Decimal(found["min"]) <= Decimal(found["max"]) else {}
