"""From an AnalysisTemplate that a Rollout names to metrics of ours: Prometheus queries with a simple limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import threshold
from serinus.cli.convert.metrics import MetricList, filled
from serinus.cli.convert.original import Original, Place
from serinus.core.model.kinds import Json

_COMPARISON: Final = re.compile(r"\s*result(?:\[0\])?\s*(>=|<=|>|<)\s*(-?\d+(?:\.\d+)?)\s*")
MOST_FAILURES: Final = 1000
FIELDS: Final = {"metadata.namespace": "{{namespace}}", "metadata.name": "{{name}}"}
"""What our tokens know of the object's own fields."""
TEMPLATE: Final = {
    "spec.metrics[].interval": "metrics are read every spec.analysis.interval (5s)",
    "spec.metrics[].failureCondition": "successCondition is the range, and whatever is outside it is a failure",
    "spec.metrics[].count": "metrics are read for as long as the rollout lasts",
    "spec.metrics[].initialDelay": "a weight has pauses: put one before it",
    "spec.metrics[].consecutiveErrorLimit": "without answers the weight holds (spec.analysis.onBlind)",
    "spec.metrics[].inconclusiveLimit": "without an answer in its range the weight holds",
    "spec.metrics[].provider.prometheus.address": "name it as a source in the operator's configuration",
    "spec.metrics[].provider.prometheus.authentication": "a source's credentials are in the operator's configuration",
    "spec.args": "its arguments are in the query",
}
"""Why a field of a template is left out."""


def add_analysis(draft: Draft, metrics: MetricList, place: Place) -> bool:
    """Carry over the templates of an analysis; tells whether any metric came of it."""
    before = len(metrics.metrics)
    for index in draft.original.items(*place, "templates"):
        one = (*place, "templates", index)
        name = draft.original.text(*one, "templateName") or ""
        draft.original.take(*one, "clusterScope")
        template = draft.find(name, "AnalysisTemplate", "ClusterAnalysisTemplate")
        if template is None:
            why = f"(AnalysisTemplate {name}) is not in the file: write its query under spec.analysis.metrics"
            draft.lost(one, why)
            continue
        values = dict(_arguments(draft, template, ("spec", "args"))) | dict(
            _arguments(draft, draft.original, (*place, "args"))
        )
        _add_template(draft, metrics, template, values)
    return len(metrics.metrics) > before


def _add_template(draft: Draft, metrics: MetricList, template: Original, values: dict[str, str]) -> None:
    if template.keys("spec") and template.look("spec", "templates") is not None:
        draft.lost(("spec", "templates"), "templates of templates are not followed: write their queries", of=template)
    for index in template.items("spec", "metrics"):
        place: Place = ("spec", "metrics", index)
        why = _add_metric(draft, metrics, template, place, values)
        if why is not None:
            draft.lost(place, why, of=template)


def _add_metric(
    draft: Draft, metrics: MetricList, template: Original, place: Place, values: dict[str, str]
) -> str | None:
    """Carry a metric over; gives why not."""
    name = template.text(*place, "name") or template.name
    if template.look(*place, "provider", "prometheus", "query") is None:
        return f"({name}) is no query to Prometheus: write one under spec.analysis.metrics"
    bounds = _bounds(template, place)
    if bounds is None:
        return f"({name}) its condition is no comparison of result with a number: write it as a thresholdRange"
    text = template.text(*place, "provider", "prometheus", "query") or ""
    query, unknown = filled(text, {f"args.{key}": value for key, value in values.items()})
    if unknown:
        return f"({name}) {', '.join(unknown)} is not known here: write its query under spec.analysis.metrics"
    return metrics.own(
        draft, name, query, {"thresholdRange": bounds, "failureLimit": _failures(draft, template, place)}
    )


def _failures(draft: Draft, template: Original, place: Place) -> int | None:
    limit = template.whole(*place, "failureLimit")
    if limit is None or limit == 0:
        return None
    if not 0 < limit <= MOST_FAILURES:
        draft.lost((*place, "failureLimit"), f"{limit} is not between 0 and {MOST_FAILURES}", of=template)
        return None
    draft.note("spec.analysis.metrics[].failureLimit", "counts consecutive evaluations, every spec.analysis.interval")
    return limit


def _bounds(template: Original, place: Place) -> Json | None:
    """Read the range: what is a success, or else what is no failure."""
    success = template.text(*place, "successCondition")
    failure = template.text(*place, "failureCondition") if success is None else None
    compared = list(_comparisons(success or failure or ""))
    if not compared or (success is None and len(compared) > 1):
        return None
    upwards = success is not None
    bounds: dict[str, str] = {}
    for comparison in compared:
        if comparison is None:
            return None
        sign, value = comparison
        written, side = threshold(value), "min" if (sign[0] == ">") == upwards else "max"
        if written is None or side in bounds:
            return None
        bounds[side] = written
    return bounds if _is_range(bounds) else None


def _is_range(bounds: dict[str, str]) -> bool:
    return len(bounds) < 2 or Decimal(bounds["min"]) <= Decimal(bounds["max"])


def _comparisons(condition: str) -> Iterator[tuple[str, Decimal] | None]:
    for part in condition.split("&&"):
        found = _COMPARISON.fullmatch(part)
        yield (found[1], Decimal(found[2])) if found else None


def _arguments(draft: Draft, source: Original, place: Place) -> Iterator[tuple[str, str]]:
    """Read the arguments whose values are known: the canary's Service and the object's own fields are our tokens."""
    for index in source.items(*place):
        one = (*place, index)
        name, value = source.text(*one, "name"), source.text(*one, "value")
        field = source.look(*one, "valueFrom", "fieldRef", "fieldPath")
        if name is not None and value is not None:
            yield name, _of_the_canary(draft, value)
        elif name is not None and isinstance(field, str) and field in FIELDS:
            source.take(*one)
            yield name, FIELDS[field]
        elif source.look(*one, "valueFrom") is not None:
            draft.lost(one, f"(argument {name}) its value is known in the cluster only", of=source)


def _of_the_canary(draft: Draft, value: str) -> str:
    """Write {{service}} for the Service of the canary, alone or as the first part of its DNS name."""
    service, dot, rest = value.partition(".")
    strategy = draft.original.look("spec", "strategy") or {}
    ours = [
        draft.original.look("spec", "strategy", way, field)
        for way, field in (("canary", "canaryService"), ("blueGreen", "previewService"))
        if way in strategy
    ]
    return f"{{{{service}}}}{dot}{rest}" if service in ours else value
