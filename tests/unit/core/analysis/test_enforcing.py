"""Users' own queries, held to one namespace: no selector escapes, and nothing else changes."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.enforcing import MOST_PARTS, NotEnforceable, enforce

ML = 'namespace="ml"'


def enforced(query: str) -> str:
    """Give what is sent, on one line."""
    return re.sub(r"\s+", " ", enforce(query, "namespace", "ml"))


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("up", f'{{__name__="up",{ML}}}'),
        ('up{job="a"}', f'{{__name__="up",job="a",{ML}}}'),
        ('{__name__=~"a|b",c!~"d"}', f'{{__name__=~"a|b",c!~"d",{ML}}}'),
        ("sum by (code) (rate(x[5m]))", f'sum by (code) (rate({{__name__="x",{ML}}}[5m]))'),
        ("a / on (pod) group_left (b) c", f'{{__name__="a",{ML}}} / on (pod) group_left (b) {{__name__="c",{ML}}}'),
        ("a and b unless c", f'{{__name__="a",{ML}}} and {{__name__="b",{ML}}} unless {{__name__="c",{ML}}}'),
        ("max_over_time(rate(x[1m])[10m:30s])", f'max_over_time(rate({{__name__="x",{ML}}}[1m])[10m:30s])'),
        ("absent(x)", f'absent({{__name__="x",{ML}}})'),
        ("absent_over_time(x[5m])", f'absent_over_time({{__name__="x",{ML}}}[5m])'),
        ('label_replace(x,"a","$1","b","(.*)")', f'label_replace({{__name__="x",{ML}}}, "a", "$1", "b", "(.*)")'),
        ("topk(scalar(n), x)", f'topk(scalar({{__name__="n",{ML}}}), {{__name__="x",{ML}}})'),
        ('info(x, {k=~".+"})', f'info({{__name__="x",{ML}}}, {{k=~".+",{ML}}})'),
        ("x[5m] offset 1m @ end()", f'{{__name__="x",{ML}}}[5m] @ end() offset 1m'),
        ("x offset -5m", f'{{__name__="x",{ML}}} offset -5m'),
        ("x @ 1609746000.5", f'{{__name__="x",{ML}}} @ 1609746000.500'),
        ('{"http.requests", "le bel"="x"}', f'{{"le bel"="x",__name__="http.requests",{ML}}}'),
        ("-x ^ 2", f'-{{__name__="x",{ML}}} ^ 2'),
        ("sum(sum)", f'sum({{__name__="sum",{ML}}})'),
        ("x # {\n+ y", f'{{__name__="x",{ML}}} + {{__name__="y",{ML}}}'),
        ("vector(1) + time()", "vector(1) + time()"),
    ],
)
def test_every_selector_gets_the_matcher(query: str, sent: str) -> None:
    """Wherever it stands."""
    assert enforced(query) == sent


@pytest.mark.parametrize(
    ("query", "alternatives"),
    [('x{namespace=~".+"}', 1), ('x{namespace!="ml"}', 1), ('x{a="1" or namespace=~".*"}', 2)],
)
def test_a_users_own_matcher_narrows_and_never_widens(query: str, alternatives: int) -> None:
    """It stays, and the enforced one stands beside it in each alternative."""
    answer = enforced(query)
    assert answer.count(ML) == alternatives
    assert re.search(r"namespace(=~|!=)", answer)


@pytest.mark.parametrize("query", ['x{namespace="prod"}', 'x{namespace=""}', 'y + x{a="1" or namespace="prod"}'])
def test_another_namespace_is_refused_with_a_sentence(query: str) -> None:
    """An empty answer would be taken for want of data."""
    with pytest.raises(NotEnforceable, match="may only read namespace='ml'"):
        enforced(query)


@pytest.mark.parametrize(
    "text", ["}", '"', "\\", '\\"} or y{', "\n", "'", "`", "# {", 'a",namespace="prod', "{{", "é\t\u2028"]
)
def test_what_stands_in_a_string_stays_there(text: str) -> None:
    """Quotes, braces and backslashes open no way out."""
    inside = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    answer = enforce(f'x{{a="{inside}"}}', "namespace", "ml")
    assert answer.startswith('{__name__="x",a="')
    assert answer.endswith(f'",{ML}}}')


@pytest.mark.parametrize(
    "query",
    ["sum(", "x{", "", "x @ @", "+".join(["x"] * 2000), "(" * 1000 + "x" + ")" * 1000, "x" * 5000],
    ids=["open", "brace", "nothing", "nonsense", "a chain", "nested", "long"],
)
def test_what_cannot_be_read_or_costs_too_much_is_refused(query: str) -> None:
    """A tenant's query neither ends the operator nor keeps it busy."""
    with pytest.raises(NotEnforceable):
        enforce(query, "namespace", "ml")


def test_a_time_before_1970_is_no_panic() -> None:
    """The parser's own value of it cannot be read."""
    assert enforced("x @ -5").startswith(f'{{__name__="x",{ML}}}')


NAMES = st.sampled_from(["x", "up", "http_requests_total", '{job=~"a|b"}', 'y{namespace=~".*"}'])
QUERIES = st.recursive(
    NAMES,
    lambda inner: st.one_of(
        inner.map(lambda each: f"sum({each})"),
        inner.map(lambda each: f"-({each})"),
        inner.map(lambda each: f"max_over_time(({each})[5m:1m] offset 1m)"),
        st.tuples(inner, st.sampled_from(["+", "/", "and", "or", "unless on (a)", "> bool"]), inner).map(" ".join),
    ),
    max_leaves=6,
)


@given(QUERIES)
def test_as_many_matchers_as_selectors(query: str) -> None:
    """Whatever the expression; and what has been enforced can be enforced again."""
    if len(re.findall(r"[-+*/(\[{<>]", query)) > MOST_PARTS // 2:
        return
    answer = enforce(query, "namespace", "ml")
    selectors = len(re.findall(r"\bx\b|\bup\b|http_requests_total|job|\by\b", query))
    assert answer.count(ML) == selectors
    assert enforce(answer, "namespace", "ml").count("{") == selectors


def test_the_parser_is_loaded_by_the_first_query_that_needs_it() -> None:
    """Most operators never do."""
    code = "import sys, serinus.app; print('promql_parser' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
