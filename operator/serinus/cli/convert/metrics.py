"""The metrics in the making: presets, and queries of another tool with our tokens in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from serinus.api.constraints import Query
from serinus.api.policy_rules import TOKENS
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting, label
from serinus.core.analysis.promql import has_baseline
from serinus.core.model.kinds import Json

MOST_METRICS: Final = 20
_TOKEN: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")


class MetricList:
    """Metrics with a name each. What adds one says why it cannot, or None."""

    def __init__(self) -> None:
        self.metrics: list[Json] = []

    def add(self, name: str, metric: Json) -> str | None:
        """Add a metric; fields that are None are left out."""
        if len(self.metrics) == MOST_METRICS:
            return f"an analysis has at most {MOST_METRICS} metrics"
        given = {field: value for field, value in metric.items() if value is not None}
        self.metrics.append({"name": self._free(label(name) or "metric"), **given})
        return None

    def own(self, draft: Draft, name: str, query: str, metric: Json) -> str | None:
        """Add a query of the user's."""
        if fitting(Query, query) is None:
            return "a query has 1 to 4096 characters"
        if "{{" in re.sub("|".join(map(re.escape, TOKENS)), "", query):
            return f"its query has a token that nobody fills in; the tokens are {' '.join(TOKENS)}"
        if any(each.get("query") == query for each in self.metrics):
            return None
        refused = self.add(name, {"query": query, **metric})
        if refused is None and not has_baseline(query):
            draft.note(
                f"spec.analysis.metrics[{len(self.metrics) - 1}].query",
                "holds neither {{revision}} nor {{service}}: it is the same number for both versions and only its limit"
                " decides; put the token where the query names the canary's Service or workload",
            )
        return refused

    def write(self, draft: Draft) -> None:
        """Write the analysis; without metrics it is left to its default."""
        if not self.metrics:
            draft.note("spec.analysis", "left out, so the default: an error rate of at most 5% and latency as stable's")
            return
        draft.spec["analysis"] = {"metrics": self.metrics}
        if not any("preset" in metric for metric in self.metrics):
            draft.note(
                "spec.analysis.metrics",
                "has the original's queries alone: {name: error-rate, preset: error-rate} would compare errors with"
                " stable's as well",
            )

    def _free(self, name: str) -> str:
        """Make a name of a name that another metric has already."""
        taken = {metric["name"] for metric in self.metrics}
        numbered = (f"{name[:60].strip('-')}-{number}" for number in range(2, MOST_METRICS + 2))
        return name if name not in taken else next(one for one in numbered if one not in taken)


def filled(query: str, values: Mapping[str, str]) -> tuple[str, list[str]]:
    """Put values, or our tokens, in place of another tool's tokens; name those that nobody can fill in."""
    unknown: list[str] = []

    def value_of(found: re.Match[str]) -> str:
        token = found[1]
        if token not in values:
            unknown.append(token)
        return values.get(token, found[0])

    text = "\n".join(line.rstrip() for line in _TOKEN.sub(value_of, query).strip().splitlines())
    return text, unknown
