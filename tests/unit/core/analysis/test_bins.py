"""Bins of a distribution: increments, and how far apart two revisions are."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.analysis.bins import Bins, aligned, moved_most, population_stability
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
    """Both revisions, bin by bin."""
    _, added = looked((counters(a=5, b=7), counters(a=50, b=70)), (counters(a=6, b=9), counters(a=53, b=80)))
    assert added[1] == ((1.0, 2.0), (3.0, 10.0))


def pods(**counts: tuple[float, float]) -> SeriesSet:
    """An instant answer with the two bins of each pod."""
    series = [
        Series({"bin": name, "pod": pod}, ((1.0, value),))
        for pod, values in counts.items()
        for name, value in zip("ab", values, strict=True)
    ]
    return SeriesSet(tuple(series))


def test_a_pod_that_restarts_counts_from_zero_and_the_others_go_on() -> None:
    """Increments are taken for each series before they are summed."""
    before, after = pods(x=(500, 500), y=(500, 500)), pods(x=(510, 510), y=(3, 4))
    _, added = looked((before, before), (after, before))
    assert added[1] == ((13.0, 14.0), (0.0, 0.0))


def test_a_sum_that_fell_adds_nothing() -> None:
    """Which part of it began anew nobody knows; what it adds later counts."""
    both = counters(a=1000, b=1000)
    _, added = looked((both, both), (both, counters(a=520, b=1010)), (both, counters(a=530, b=1020)))
    assert added[1][1] == (0.0, 0.0)
    assert added[2][1] == (10.0, 10.0)


def summed(pods: Sequence[tuple[float, float]]) -> SeriesSet:
    """The sum over the pods that are there; a bin that none of them shows has no series."""
    totals = {name: sum(pod[place] for pod in pods) for place, name in enumerate("ab")}
    return counters(**{name: total for name, total in totals.items() if total})


@pytest.mark.parametrize("rare", [0.0, 400.0], ids=["a bin of one pod alone", "a bin of both"])
def test_a_part_of_a_sum_that_comes_back_is_not_counted_anew(rare: float) -> None:
    """Nor is lost what both parts have counted meanwhile."""
    steady, looks = (50.0, 50.0), []
    for at, there in enumerate([True, True, False, False, True, True]):
        kept, lost = (900.0 + 10 * at, rare + (rare > 0) * 4 * at), (700.0 + 5 * at, 300.0 + at)
        looks.append((summed([steady]), summed([kept, lost] if there else [kept])))
    bins, _ = looked(*looks)
    assert bins.totals["stable"] == [75.0, 5.0 + (20.0 if rare else 0.0)]


@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from("xyz"), min_size=1), st.integers(0, 9), st.integers(0, 9)),
        min_size=2,
        max_size=25,
    )
)
def test_parts_may_come_and_go_as_they_like(looks: list[tuple[set[str], int, int]]) -> None:
    """When all are back, what was counted is what they have added since the first look."""
    values = {"x": (3000.0, 1000.0), "y": (500.0, 9000.0), "z": (20000.0, 400.0)}
    pages = [summed([*values.values()])]
    for there, more_a, more_b in [*looks, ({*"xyz"}, 0, 0)]:
        values = {pod: (a + more_a, b + more_b) for pod, (a, b) in values.items()}
        pages.append(summed([values[pod] for pod in sorted(there)]))
    bins, _ = looked(*((page, page) for page in pages))
    grown = [3.0 * sum(more for _, more, _ in looks), 3.0 * sum(more for _, _, more in looks)]
    assert bins.totals["stable"] == grown


def test_traffic_that_grows_after_a_restart_counts_again_after_three_looks() -> None:
    """The weight rose while a part of the sum was gone for good: rises of the same size are no parts that come back."""
    totals = [1e6, 1e6 + 10, 4e5, 4e5 + 10, *(4e5 + 10 + 500 * more for more in range(1, 8))]
    _, added = looked(*((counters(a=total, b=total),) * 2 for total in totals))
    assert [one[0] for _, one in added[4:]] == [0.0, 0.0, 0.0, 500.0, 500.0, 500.0, 500.0]


def test_a_bin_that_a_pod_shows_later_counts_in_full() -> None:
    """Its series began with its first event."""
    one, other = counters(a=5, b=5), SeriesSet(counters(a=5).series)
    bins, added = looked((other, one), (one, one))
    assert bins.names == ("a", "b")
    assert added[1][0] == (0.0, 5.0)


def test_bins_go_by_name() -> None:
    """Another process may have seen other bins first, in another order."""
    assert aligned((1.0, 2.0, 3.0), ("a", "b", "c"), ("c", "a")) == (3.0, 3.0)
    assert aligned((1.0, 2.0), ("a", "b"), ("a", "b")) == (1.0, 2.0)


def test_the_bin_that_moved_most_is_named() -> None:
    """With both shares, stable's first."""
    assert moved_most(("0", "1", "2"), (20, 40, 40), (50, 30, 20)) == "0: 50 % → 20 %"


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
