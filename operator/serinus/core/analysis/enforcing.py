"""Restricts a query to one namespace: every selector in it gets the matcher, using PromQL's own grammar.

Pasting text cannot do this: a brace may be in a string, a selector in a subquery. The query is printed from its parsed
form, and parsed once more before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar

from serinus.core.analysis.promql import quoted

if TYPE_CHECKING:
    from promql_parser import Expr, Matcher, VectorSelector

P = ParamSpec("P")
T = TypeVar("T")

LONGEST: Final = 4096
MOST_PARTS: Final = 50
"""The parser's time grows with the third power of a query's depth; fifty parts take a tenth of a second at worst."""
_PART: Final = re.compile(r"[-+*/%^(\[{<>]|==|!=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
_MODIFIERS: Final = re.compile(r"( @ (start\(\)|end\(\)|[0-9.]+))?( offset -?[0-9a-z]+)?$")
_PLAIN_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class NotEnforceable(ValueError):
    """A query that cannot be held to its namespace; the text is for its author."""


def too_long(query: str) -> bool:
    """Whether parsing a query could take seconds."""
    return len(query) > LONGEST or len(_PART.findall(query)) > MOST_PARTS


@lru_cache(maxsize=4096)
def enforce(query: str, label: str, value: str) -> str:
    """Write a query anew with `label="value"` in every selector; raises NotEnforceable."""
    if too_long(query):
        raise NotEnforceable(
            f"the query is too long to be limited to {label}={value!r}: "
            f"use at most {MOST_PARTS} brackets and operators, or a recording rule"
        )
    return guarded(_enforced, query, label, value)


def _enforced(query: str, label: str, value: str) -> str:
    from promql_parser import VectorSelector, transform

    def narrow(node: Expr) -> Expr | None:
        return _narrowed(node, label, value) if isinstance(node, VectorSelector) else None

    written = transform(parsed(query), post_visit=narrow).prettify()
    if not all(_holds(group, label, value) for selector in _selectors(written) for group in _groups(selector)):
        raise NotEnforceable(f"the query cannot be limited to {label}={value!r}: write it more simply")
    return written


def guarded(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Make a refusal of a panic in the parser, which Python is told of as no ordinary exception."""
    try:
        return work(*args, **kwargs)
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise NotEnforceable("the query cannot be parsed: write it more simply") from None


def parsed(query: str) -> Expr:
    from promql_parser import parse

    try:
        return parse(query)
    except ValueError as error:
        raise NotEnforceable(f"the query cannot be parsed: {error}") from None


def _narrowed(selector: VectorSelector, label: str, value: str) -> Expr:
    """Add the matcher to each alternative; what else the selector says stays as it is."""
    name = "" if selector.name is None else f'__name__="{quoted(selector.name)}",'
    enforced = f'{label}="{quoted(value)}"'
    groups = (name + ",".join([*_matchers(group, label, value), enforced]) for group in _groups(selector))
    return parsed(f"{{{' or '.join(groups)}}}{_modifiers(selector)}")


def _matchers(group: list[Matcher], label: str, value: str) -> Iterator[str]:
    """Print matchers; one that asks for another value outright is refused: an empty answer would explain nothing."""
    from promql_parser import MatchOp

    # A list, because these values cannot be hashed.
    signs = [(MatchOp.Equal, "="), (MatchOp.NotEqual, "!="), (MatchOp.Re, "=~"), (MatchOp.NotRe, "!~")]
    for each in group:
        if each.name == label and each.op == MatchOp.Equal and each.value != value:
            raise NotEnforceable(
                f"the query selects {label}={each.value!r}, but may only read {label}={value!r}: "
                f"write {label}={value!r}, or leave it out"
            )
        name = each.name if _PLAIN_NAME.fullmatch(each.name) else f'"{quoted(each.name)}"'
        [sign] = [sign for operator, sign in signs if operator == each.op]
        yield f'{name}{sign}"{quoted(each.value)}"'


def _modifiers(selector: VectorSelector) -> str:
    """Give `@` and `offset`, which are printed last."""
    found = _MODIFIERS.search(selector.prettify())
    return found[0] if found else ""


def _groups(selector: VectorSelector) -> list[list[Matcher]]:
    """Give the alternatives of a selector; Prometheus has one, some of its kin more."""
    return selector.matchers.or_matchers or [selector.matchers.matchers]


def _selectors(query: str) -> list[VectorSelector]:
    from promql_parser import VectorSelector, walk

    found: list[VectorSelector] = []

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            found.append(node)

    walk(parsed(query), pre_visit=visit)
    return found


def _holds(group: list[Matcher], label: str, value: str) -> bool:
    from promql_parser import MatchOp

    return any(each.name == label and each.op == MatchOp.Equal and each.value == value for each in group)
