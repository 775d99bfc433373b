"""How much time one value of a user's query covers: values that are nearer to each other than that share data."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from serinus.core.analysis.enforcing import NotEnforceable, guarded, parsed, too_long

if TYPE_CHECKING:
    from promql_parser import Expr


@lru_cache(maxsize=4096)
def longest_range(query: str) -> float:
    """Tell the longest range (s) of a query's selectors and subqueries.

    0 for a query that speaks of an instant, and for one that cannot be parsed: Prometheus says what is wrong with it.
    """
    if too_long(query):
        return 0.0
    try:
        return guarded(_longest, query)
    except NotEnforceable:
        return 0.0


def _longest(query: str) -> float:
    from promql_parser import MatrixSelector, SubqueryExpr, walk

    found = [0.0]

    def visit(node: Expr) -> None:
        if isinstance(node, MatrixSelector | SubqueryExpr) and node.range is not None:
            found.append(node.range.total_seconds())

    walk(parsed(query), pre_visit=visit)
    return max(found)
