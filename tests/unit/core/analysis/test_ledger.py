"""Running sums over scrapes: whatever the window, they say what adding up its scrapes would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.exposition import Count
from serinus.core.analysis.ledger import Amounts, Ledger
from serinus.core.analysis.lines import Row, Told, Totals, totals_of

TOLD: tuple[Told, ...] = (
    (Count.SUCCESS, 0.0, ""),
    (Count.SERVER_ERROR, 0.0, "HTTP 503"),
    (Count.CLIENT_ERROR, 0.0, "HTTP 404"),
    (Count.SLOWER, 0.1, ""),
    (Count.SLOWER, math.inf, ""),
)
GATEWAYS = ("gateway-0",), ("gateway-1",)

amounts = st.dictionaries(st.sampled_from(TOLD), st.integers(1, 50).map(float), min_size=1)


@st.composite
def scrapes(draw: st.DrawFn) -> tuple[Row, Amounts]:
    """One scrape of one of two gateways, at a time in two minutes; now and then nobody knows of one before it."""
    at, gap = float(draw(st.integers(1, 120))), float(draw(st.integers(1, 30)))
    unseen = draw(st.sampled_from([at - gap, -math.inf]))
    return Row(max(at - gap, 0.0), at, unseen, draw(st.sampled_from(GATEWAYS))), draw(amounts)


answers = st.lists(st.lists(scrapes(), min_size=1, max_size=4).map(dict), min_size=1, max_size=12)


def added(rows: Sequence[tuple[Row, Amounts]], since: float, wholly_after: float) -> Totals:
    """Add up one by one."""
    sums = dict.fromkeys(TOLD, 0.0)
    for row, told in rows:
        if row.at > since and row.unseen_since >= wholly_after:
            for what, amount in told.items():
                sums[what] += amount
    return totals_of(sums, sums.values())


@given(answers, st.integers(-1, 121), st.one_of(st.just(-math.inf), st.integers(-1, 121)))
def test_a_window_holds_what_was_scraped_in_it(
    given_answers: Sequence[Mapping[Row, Amounts]], since: float, wholly_after: float
) -> None:
    """In whatever order the scrapes have come, whatever gaps there were, and asked twice."""
    ledger, rows = Ledger(), list[tuple[Row, Amounts]]()
    for answer in given_answers:
        ledger.take(answer)
        rows += answer.items()
        expected = added(rows, since, wholly_after)
        assert ledger.totals(since, wholly_after) == expected
        assert ledger.totals(since, wholly_after) == expected
        by_scrape = ledger.scrapes(since, wholly_after, None)
        assert sum(one.requests for one in by_scrape.values()) == expected.requests


@given(answers, st.integers(-1, 121), st.one_of(st.just(-math.inf), st.integers(-1, 121)))
def test_a_glance_counts_what_a_window_holds(
    given_answers: Sequence[Mapping[Row, Amounts]], since: float, wholly_after: float
) -> None:
    """Requests and errors, and the scrape of one gateway with the largest share of errors."""
    ledger, rows = Ledger(), list[tuple[Row, Amounts]]()
    for answer in given_answers:
        ledger.take(answer)
        rows += answer.items()
        told = ledger.totals(since, wholly_after)
        errors = told.server_errors + told.client_errors
        assert ledger.requests_and_errors(since, wholly_after) == (told.requests, errors)
    places = {(row.at, row.place, row.since, row.unseen_since): dict[Told, float]() for row, _ in rows}
    for row, amounts in rows:
        there = places[row.at, row.place, row.since, row.unseen_since]
        there |= {what: there.get(what, 0.0) + amount for what, amount in amounts.items()}
    shown = [totals_of(there, there.values()) for (at, *_), there in places.items() if at > since]
    shares = [(one.server_errors + one.client_errors) / one.requests for one in shown if one.requests]
    assert ledger.most_errors(since) == max(shares, default=0.0)


@given(answers, st.integers(0, 120), st.integers(0, 120))
def test_what_is_forgotten_is_of_no_window(
    given_answers: Sequence[Mapping[Row, Amounts]], limit: float, later: float
) -> None:
    """A window that begins at the limit or later holds all that it did."""
    ledger, rows = Ledger(), list[tuple[Row, Amounts]]()
    for answer in given_answers:
        ledger.take(answer)
        rows += answer.items()
    ledger.forget(limit)
    assert ledger.totals(limit + later, -math.inf) == added(rows, limit + later, -math.inf)
    assert all(row.at >= limit for row in ledger.rows(-math.inf, -math.inf))


def test_what_did_not_grow_is_not_there() -> None:
    """A bucket that stood still in a window is as one that has no series: a quantile begins at those that grew."""
    ledger = Ledger()
    ledger.take({Row(0.0, 1.0, 0.0, GATEWAYS[0]): {(Count.SLOWER, 0.1, ""): 4.0}})
    ledger.take({Row(1.0, 2.0, 1.0, GATEWAYS[0]): {(Count.SLOWER, math.inf, ""): 2.0}})
    assert ledger.totals(1.0, -math.inf).slower == {math.inf: 2.0}
