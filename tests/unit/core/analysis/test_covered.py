"""How much time one value of a user's query covers."""

from __future__ import annotations

import pytest

from serinus.core.analysis.covered import longest_range


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        pytest.param("psi", 0.0, id="an instant"),
        pytest.param('sum(rate(sales{revision="a"}[90s])) / sum(rate(asked[5m]))', 300.0, id="the longer of two"),
        pytest.param("max_over_time(score[1h30m])", 5400.0, id="in parts"),
        pytest.param("avg_over_time(rate(sales[1m])[1d:5m])", 86_400.0, id="a subquery"),
        pytest.param('sales{path=~"/[0-9a-f]+"}', 0.0, id="a set of characters"),
        pytest.param('rate(sales{path="x[5m]"}[1m])', 60.0, id="a range inside a string"),
        pytest.param("increase(sales[1m] offset 1d)", 60.0, id="an offset covers nothing"),
        pytest.param("rate(sales[5m]", 0.0, id="no query"),
        pytest.param("(" * 60 + "rate(sales[5m])" + ")" * 60, 0.0, id="too deep to be read"),
    ],
)
def test_the_time_that_a_value_covers_is_read_from_the_query(query: str, seconds: float) -> None:
    """Values that are nearer to each other than that have data in common."""
    assert longest_range(query) == seconds
