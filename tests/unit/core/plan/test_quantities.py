"""Quantities by value."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.plan.quantities import quantity, same_quantity


@pytest.mark.parametrize(
    ("one", "other"),
    [("1000m", "1"), ("1024Mi", "1Gi"), ("0.5", "500m"), ("2e3", "2k"), ("1.5Gi", "1536Mi"), ("2", 2), ("1E", "1e18")],
)
def test_quantities_of_one_value_are_the_same(one: object, other: object) -> None:
    assert same_quantity(one, other)


@pytest.mark.parametrize(("one", "other"), [("1", "1m"), ("1G", "1Gi"), ("1", "1k"), ("many", "1"), (None, "1")])
def test_quantities_of_different_values_are_not(one: object, other: object) -> None:
    assert not same_quantity(one, other)


def test_what_is_no_quantity_is_compared_as_it_stands() -> None:
    assert same_quantity("many", "many")


@pytest.mark.parametrize("text", ["", "x", "1x", "1 Gi", "--1"])
def test_what_is_no_quantity_cannot_be_read(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


@given(st.integers(0, 10**9))
def test_thousandths_and_binary_units_are_exact(number: int) -> None:
    assert quantity(f"{number}m") * 1000 == Decimal(number)
    assert quantity(f"{number}Ki") == Decimal(number * 1024)
