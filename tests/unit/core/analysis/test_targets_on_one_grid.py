"""Targets are scraped at seconds of their own; what they tell is laid on cells that both revisions share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.api.policy import Metric, Preset, Provider, ThresholdRange
from serinus.core.analysis.exposition import read_istio, read_triton
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from serinus.core.model.assessment import Increment

ERRORS = Metric(name="errors", preset=Preset.ERROR_RATE, threshold_range=ThresholdRange(max="5%"))
OF_PODS = ERRORS.model_copy(update={"provider": Provider.TRITON})
CANARY, STABLE = ("ml", "fraud-b"), ("ml", "fraud-a")
REVISIONS = ("ml", "b"), ("ml", "a")
EVERY_LOOK = 1.0


@dataclass(frozen=True)
class Gateways:
    """Replicas that each count a request of the canary and three of stable's a second, and an error every 7 s."""

    offsets: tuple[float, ...]
    every: float

    @property
    def until(self) -> float:
        """Long enough for some scrapes of each."""
        return 70.0 + 6 * self.every

    def scraped(self, after: float, until: float) -> list[Series]:
        """Give the scrapes of a time."""
        return [
            Series(gateway(number, service, code), tuple((at, float(int(at * rate))) for at in times))
            for number, offset in enumerate(self.offsets)
            if (times := [at for at in self._times(offset) if after < at <= until])
            for service, code, rate in (("fraud-b", "200", 1), ("fraud-b", "503", 1 / 7), ("fraud-a", "200", 3))
        ]

    def _times(self, offset: float) -> list[float]:
        return [round(offset + self.every * index, 3) for index in range(int(600 / self.every))]


def gateway(number: int, service: str, code: str) -> dict[str, str]:
    return {
        "__name__": "istio_requests_total",
        "destination_service_namespace": "ml",
        "destination_service_name": service,
        "response_code": code,
        "instance": f"gateway-{number}",
    }


def pod(name: str, revision: str, *samples: tuple[float, float], failed: bool = False) -> Series:
    kind = "failure" if failed else "success"
    return Series(
        {"__name__": f"nv_inference_request_{kind}", "namespace": "ml", "revision": revision, "pod": name}, samples
    )


def looked(world: Gateways, look: float, until: float, began: float = 0.0, before: float = -1.0) -> list[Increment]:
    """Look every so many seconds, and take in what each look gives; a process that starts anew knows `before`."""
    tallies, found, taken, asked = Tallies(read_istio, keep_s=600), list[Increment](), max(began, before), -1.0
    now = before if before > 0 else 0.0
    while now < until:
        now = round(min(now + look, until), 3)
        tallies.ingest(world.scraped(asked, now), (CANARY, STABLE), now)
        asked = now
        if now > began:
            horizon = tallies.horizon((CANARY, STABLE), now, look)
            new, _ = preset_increments(ERRORS, tallies, CANARY, STABLE, (taken, horizon), began=began)
            found += new
            taken = max([taken, *(one.at for one in new)])
    return found


def summed(increments: Iterator[Increment] | list[Increment]) -> list[float]:
    """Add up requests and errors of the canary, and requests of stable."""
    taken = list(increments)
    sums = [sum(one.canary[place] for one in taken) for place in range(2)]
    return [*sums, sum(one.stable[0] for one in taken), sum(error.count for one in taken for error in one.errors)]


@st.composite
def layouts(draw: st.DrawFn) -> Gateways:
    every = float(draw(st.integers(1, 60)))
    replicas = draw(st.integers(1, 30))
    offsets = draw(st.lists(st.floats(0, every - 0.01), min_size=replicas, max_size=replicas))
    return Gateways(tuple(round(one, 2) for one in offsets), every)


@settings(max_examples=15)
@given(layouts(), st.integers(1, 60), st.floats(0, 60))
def test_a_merge_of_scrapes_is_their_sum(world: Gateways, look: int, began: float) -> None:
    """However often is looked, each request is in exactly one cell, and none is in two."""
    until = world.until
    often, seldom = looked(world, EVERY_LOOK, until, began), looked(world, float(look), until, began)
    last = min([one.at for one in often[-1:]] + [one.at for one in seldom[-1:]], default=0.0)
    sums = [summed(one for one in found if one.at <= last) for found in (often, seldom)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-9, abs=1e-6)


@settings(max_examples=15)
@given(layouts(), st.floats(0, 60))
def test_the_cells_hold_what_was_counted(world: Gateways, began: float) -> None:
    """From the first scrape on, a replica's requests of a time are its rate, whatever its second is."""
    found = looked(world, EVERY_LOOK, world.until, began)
    first, last = found[1].at, found[-1].at
    expected = len(world.offsets) * (last - first)
    # Counters show whole requests, and two scrapes of a replica differ by up to one for it.
    allowed = 2.0 * len(world.offsets) + 1e-6
    requests, errors, stables, named = summed(one for one in found if one.at > first)
    if all(offset <= began for offset in world.offsets):
        assert requests == pytest.approx(expected * 8 / 7, abs=2 * allowed)
        assert stables == pytest.approx(3 * expected, abs=allowed)
    assert errors == pytest.approx(named)


@settings(max_examples=15)
@given(layouts(), st.floats(0.3, 0.7))
def test_a_process_that_starts_anew_goes_on_with_the_same_cells(world: Gateways, part: float) -> None:
    """Evidence reaches up to the end of a cell; the next ones follow from it and from the scrapes."""
    live = looked(world, EVERY_LOOK, world.until)
    taken = max(one.at for one in live if one.at <= max(live[0].at, part * world.until))
    again = looked(world, EVERY_LOOK, world.until, before=taken)
    expected = [one for one in live if one.at > taken]
    assert [one.at for one in again] == [one.at for one in expected]
    for one, other in zip(again, expected, strict=True):
        assert one.canary == pytest.approx(other.canary)
        assert one.stable == pytest.approx(other.stable)


@pytest.mark.parametrize("every", [1.0, 5.0, 15.0, 60.0])
def test_one_targets_scrapes_are_the_cells(every: float) -> None:
    """Nothing is spread where nothing has to be."""
    world = Gateways((0.3,), every)
    found = looked(world, 1.0, 400.0)
    times = [at for at in world._times(0.3) if at <= 400.0][1:]
    assert [one.at for one in found] == times
    assert all(value == int(value) for one in found for value in (*one.canary, *one.stable))


@pytest.mark.parametrize("replicas", [2, 10, 30])
def test_thirty_replicas_make_no_more_cells_than_one(replicas: int) -> None:
    """A cell costs the same whoever filled it."""
    offsets = tuple(round(5.0 * number / replicas, 2) for number in range(replicas))
    found = looked(Gateways(offsets, 5.0), 1.0, 300.0)
    assert 55 <= len(found) <= 67


def test_a_fault_is_seen_no_later_than_one_scrape() -> None:
    """What the last target has to tell of a cell is there one scrape later at most."""
    offsets = (0.0, 1.0, 2.5, 4.9)
    found = looked(Gateways(offsets, 5.0), 1.0, 200.0)
    assert found[-1].at >= 190.0


def of_pods(canary: list[Series], stable: list[Series], span: tuple[float, float], began: float) -> list[Increment]:
    tallies = Tallies(read_triton, keep_s=600)
    tallies.ingest([*canary, *stable], REVISIONS, now=300.0)
    found, _ = preset_increments(OF_PODS, tallies, *REVISIONS, span, began=began)
    return list(found)


def every_minute(offset: float, per_minute: float) -> list[tuple[float, float]]:
    return [(offset + 60.0 * index, per_minute * index) for index in range(5)]


def test_pods_that_are_never_scraped_in_one_second_meet() -> None:
    """Each cell has both revisions; its end is the canary's scrape, and stable's part is taken in proportion."""
    canary = [pod("b-0", "b", *every_minute(0.0, 60.0))]
    stable = [pod("a-0", "a", (30, 0), (90, 540), (150, 1080), (210, 3780))]
    found = of_pods(canary, stable, (60.0, 180.0), 0.0)
    assert [(one.at, one.canary[0], one.stable[0]) for one in found] == [
        (120.0, 60.0, pytest.approx(540.0)),
        (180.0, 60.0, pytest.approx(270.0 + 1350.0)),
    ]


def test_the_halves_of_staggered_pods_are_cut_at_the_same_ends() -> None:
    """What equal pods do is compared over equal times."""
    names = ("a-0", "a-1", "a-2", "a-3", "a-4", "a-5")
    stable = [pod(name, "a", *every_minute(10.0 * place, 60.0)) for place, name in enumerate(names)]
    found = of_pods([pod("b-0", "b", *every_minute(5.0, 60.0))], stable, (65.0, 185.0), 0.0)
    assert len(found) == 2
    for one in found:
        assert one.halves is not None
        assert one.halves[0][0] + one.halves[1][0] == pytest.approx(360.0)
        assert {half[0] % 60 < 1e-6 for half in one.halves} == {True}


def test_nothing_of_a_stage_is_laid_before_it() -> None:
    """The first scrape of a stage counts whole: the canary had no traffic before."""
    canary = [pod("b-0", "b", (50.0, 0), (60.0, 8), (70.0, 18))]
    found = of_pods(canary, [pod("a-0", "a", (50.0, 0), (60.0, 90), (70.0, 180))], (52.0, 70.0), 52.0)
    assert [(one.at, one.canary[0], one.stable[0]) for one in found] == [(60.0, 8.0, 90.0), (70.0, 10.0, 90.0)]


def test_a_sample_that_came_too_late_for_its_cell_is_laid_into_the_next() -> None:
    """A target that nobody could wait for any longer has still counted."""
    tallies = Tallies(read_triton, keep_s=600)
    both = [pod("b-0", "b", *((10.0 * n, 10.0 * n) for n in range(6)))]
    tallies.ingest([*both, pod("a-0", "a", (0, 0), (10, 90))], REVISIONS, now=50.0)
    first, _ = preset_increments(OF_PODS, tallies, *REVISIONS, (0.0, 50.0), began=0.0)
    tallies.ingest([pod("b-0", "b", (60, 60)), pod("a-0", "a", (38, 342), (55, 495))], REVISIONS, now=60.0)
    second, _ = preset_increments(OF_PODS, tallies, *REVISIONS, (50.0, 60.0), began=0.0)
    assert sum(one.stable[0] for one in (*first, *second)) == pytest.approx(495.0 - 252.0)


def test_an_increment_over_a_long_gap_is_not_spread() -> None:
    """Nobody waited for it: the cells of the gap are gone."""
    canary = [pod("b-0", "b", *((5.0 * n, 5.0 * n) for n in range(60)))]
    stable = [pod("a-0", "a", (0, 0), (5, 45), (10, 90), (200, 1800), (205, 1845))]
    found = {one.at: one.stable[0] for one in of_pods(canary, stable, (0.0, 205.0), 0.0)}
    assert found[195.0] == 0.0
    assert found[200.0] == pytest.approx(1710.0)


def test_a_canary_that_gets_nothing_keeps_nobody_waiting() -> None:
    """Stable's scrapes end the cells where the canary's own tell nothing."""
    found = of_pods([], [pod("a-0", "a", *((10.0 * n, 90.0 * n) for n in range(20)))], (0.0, 100.0), 0.0)
    assert sum(one.stable[0] for one in found) >= 90.0 * 8


def test_a_canary_that_misses_scrapes_is_compared_at_stables() -> None:
    """Its gap delays no cell; what it counted in the gap is found behind it."""
    canary = [pod("b-0", "b", (0, 0), (10, 10), (20, 20), (60, 60), (70, 70))]
    stable = [pod("a-0", "a", *((10.0 * n + 4, 90.0 * n) for n in range(9)))]
    found = of_pods(canary, stable, (0.0, 70.0), 0.0)
    assert [one.at for one in found] == [10.0, 20.0, 34.0, 44.0, 54.0, 64.0]
    assert sum(one.canary[0] for one in found) == pytest.approx(64.0)
