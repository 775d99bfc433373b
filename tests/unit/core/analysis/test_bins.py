"""Bins of a distribution: increments, and how far apart two revisions are."""

from __future__ import annotations

import pytest

from serinus.core.analysis.bins import Bins, population_stability
from serinus.core.model.answers import Series, SeriesSet
from serinus.core.model.assessment import Measured, Missing


def counters(**bins: float) -> SeriesSet:
    """An instant answer with one counter a bin."""
    return SeriesSet(tuple(Series({"bin": name}, ((1.0, value),)) for name, value in bins.items()))


def looked(*looks: tuple[SeriesSet, SeriesSet]) -> tuple[Bins, list[tuple[tuple[float, ...], tuple[float, ...]]]]:
    """Take looks at a canary and at stable; give what each one added."""
    bins, added = Bins(), []
    for at, (canary, stable) in enumerate(looks, start=1):
        increment = bins.take(float(at), "bin", [("canary", canary), ("stable", stable)])
        assert increment is not None
        added.append((increment.canary, increment.stable))
    return bins, added


def test_the_first_look_is_only_a_baseline() -> None:
    """Counters are older than the rollout."""
    _, added = looked((counters(a=5, b=7), counters(a=50, b=70)))
    assert added == [((0.0, 0.0), (0.0, 0.0))]


def test_later_looks_count_what_was_added() -> None:
    """A counter that fell began anew."""
    _, added = looked((counters(a=5, b=7), counters(a=50, b=70)), (counters(a=6, b=9), counters(a=3, b=80)))
    assert added[1] == ((1.0, 2.0), (3.0, 10.0))


def test_a_bin_that_comes_later_joins_the_last() -> None:
    """The test has a fixed number of bins."""
    both = counters(a=1, b=1)
    _, added = looked((both, both), (counters(a=1, b=1, c=0), both), (counters(a=1, b=1, c=4), both))
    assert added[2][0] == (0.0, 4.0)


@pytest.mark.parametrize(
    ("canary", "stable", "expected"),
    [((500, 500), (500, 500), 0.0), ((600, 400), (500, 500), 0.0385), ((900, 100), (500, 500), 0.874)],
    ids=["equal", "slightly-off", "far-off"],
)
def test_the_population_stability_index_grows_with_the_distance(
    canary: tuple[int, int], stable: tuple[int, int], expected: float
) -> None:
    """Known values, bias taken off."""
    assert population_stability(canary, stable) == pytest.approx(expected, abs=0.004)


def test_a_reading_needs_both_revisions() -> None:
    """Before anything is counted there is no number."""
    both = counters(a=1, b=1)
    bins, _ = looked((both, both))
    assert isinstance(bins.reading(["canary", "stable"]), Missing)
    bins, _ = looked((both, both), (counters(a=11, b=11), counters(a=101, b=101)))
    reading = bins.reading(["canary", "stable"])
    assert isinstance(reading, Measured)
    assert reading.samples == 20
