"""What is weighed is a stretch of time, however many scrapes it took to see it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.analysis import MetricConfig, RolloutMonitor, Verdict
from serinus.core.analysis.sequential.grid import TimeGrid
from serinus.core.analysis.sequential.observations import ShareObservation

Scrape = tuple[float, dict[str, Any]]
METRICS = {"metrics": ["errors", {"name": "drift", "kind": "drift", "bins": 3}]}
CELLS = 36


def cells(seed: int) -> list[tuple[list[int], list[int], list[int], list[int]]]:
    """Requests and errors of both arms, and requests by class, of each five seconds."""
    rng = np.random.default_rng(seed)
    return [
        (
            [100, int(rng.poisson(2))],
            [900, int(rng.poisson(20))],
            rng.poisson(30, 3).tolist(),
            rng.poisson(300, 3).tolist(),
        )
        for _ in range(CELLS)
    ]


def watched(scrapes: Iterable[Scrape], config: dict[str, Any] | None = None) -> tuple[RolloutMonitor, Verdict]:
    monitor = RolloutMonitor(config or METRICS)
    monitor.start_stage(10, 50, 0.0)
    verdict = None
    for t, observed in scrapes:
        verdict = monitor.observe(t, observed)
    assert verdict is not None
    return monitor, verdict


def whole(seed: int) -> list[Scrape]:
    return [
        (5.0 * (place + 1), {"errors": (own, other), "drift": (first, second)})
        for place, (own, other, first, second) in enumerate(cells(seed))
    ]


def split(counts: list[int], parts: int, rng: np.random.Generator) -> list[list[int]]:
    """Share counts out over so many targets; no target has more errors than requests."""
    cuts = np.stack([rng.multinomial(count, np.full(parts, 1.0 / parts)) for count in counts]).T
    return cuts.tolist()  # type: ignore[no-any-return]


def by_targets(seed: int, targets: int) -> list[Scrape]:
    """The same traffic, as each of several targets reports its part at a second of its own."""
    rng = np.random.default_rng(seed + 1)
    seconds = np.concatenate((rng.uniform(0.6, 4.4, targets - 1), [5.0]))
    scrapes: list[Scrape] = []
    for place, counts in enumerate(cells(seed)):
        parts = [split(part, targets, rng) for part in counts]
        for target in np.argsort(seconds):
            own, other, first, second = (part[target] for part in parts)
            scrapes.append((5.0 * place + float(seconds[target]), {"errors": (own, other), "drift": (first, second)}))
    # The first scrape of all is the end of a cell: with it alone both grids begin at the same second.
    return [(0.0, {"errors": ((0, 0), (0, 0))}), *scrapes]


@settings(max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 30))
def test_a_cell_of_many_targets_is_their_sum(seed: int, targets: int) -> None:
    """Thirty replicas of a gateway are no thirty proofs: the evidence is that of one which saw it all."""
    _, one = watched([(0.0, {"errors": ((0, 0), (0, 0))}), *whole(seed)])
    _, many = watched(by_targets(seed, targets))
    assert many.e_total == pytest.approx(one.e_total, rel=1e-9)
    assert many.evidence["drift"].estimate == pytest.approx(one.evidence["drift"].estimate, rel=1e-9)


@pytest.mark.parametrize("absent", [(0, 0), None], ids=["no-requests", "nothing"])
@pytest.mark.parametrize("canary_first", [True, False])
def test_arms_meet_although_they_are_scraped_at_different_seconds(canary_first: bool, absent: Any) -> None:
    """Pods have seconds of their own: neither arm is without traffic for it, and a good canary rises."""
    scrapes: list[Scrape] = []
    for place in range(720):
        canary, stable = ((500, 0), absent), (absent, (4500, 0))
        first, second = (canary, stable) if canary_first else (stable, canary)
        scrapes += [(5.0 * place + 1, {"errors": first}), (5.0 * place + 3, {"errors": second})]
    _, verdict = watched(scrapes, {"metrics": ["errors"]})
    assert verdict.action == "Promote"
    assert verdict.evidence["errors"].n_challenger >= 500 * 718


def test_an_arm_that_no_longer_comes_is_missing_data() -> None:
    """What waits for its other half does not wait for ever."""
    alone = [(5.0 * place, {"errors": ((100, 0), None)}) for place in range(CELLS + 1, CELLS + 10)]
    _, verdict = watched([*whole(0), *alone], {"metrics": ["errors", {**METRICS["metrics"][1], "gating": False}]})  # type: ignore[dict-item]
    assert (verdict.action, verdict.reason) == ("Hold", "NoData")


def test_the_same_scrape_counts_once() -> None:
    """A look that finds nothing new adds nothing."""
    _, once = watched(whole(3))
    _, twice = watched([scrape for scrape in whole(3) for _ in range(2)])
    assert twice.e_total == once.e_total
    assert twice.evidence["errors"].n_challenger == once.evidence["errors"].n_challenger


def test_two_metrics_of_one_second_are_both_news() -> None:
    """Each metric has a time of its own: the answer of one does not shut the other's out."""
    parts = [(t, {name: seen}) for t, observed in whole(4) for name, seen in observed.items()]
    _, together = watched(whole(4))
    _, apart = watched(parts)
    assert apart.evidence["errors"] == together.evidence["errors"]
    # The second answer of a second waits for the end of the next cell.
    last = sum(cells(4)[-1][2])
    assert apart.evidence["drift"].n_challenger == together.evidence["drift"].n_challenger - last


def test_a_cell_in_the_middle_survives_a_restart() -> None:
    """What waits for the end of its cell is in the state."""
    scrapes = by_targets(5, 7)
    live, expected = watched(scrapes)
    halfway, _ = watched(scrapes[:100])
    restored = RolloutMonitor.from_dict(json.loads(json.dumps(halfway.to_dict(), allow_nan=False)))
    for t, observed in scrapes[100:]:
        verdict = restored.observe(t, observed)
    assert verdict == expected
    assert restored.to_dict() == live.to_dict()


GAPS = st.sampled_from([0.4, 1.0, 1.0, 2.0, 3.4, 4.5, 5.0, 5.4, 5.6, 12.0])
ARMS = st.sampled_from([((10, 0), (10, 0)), ((10, 0), (10, 0)), ((10, 0), None), (None, (10, 0))])
LOOKS = st.tuples(st.lists(st.tuples(GAPS, ARMS), max_size=3), st.sampled_from([0.1, 1.0, 3.0]))


def taken_by(grid: TimeGrid, t: float, observations: dict[str, Any]) -> bool:
    """Put a scrape on a grid, or a look that has none; tells whether a cell ends, as `RolloutMonitor` does."""
    passed = grid.passed(t)
    if passed:
        grid.take(t, compared=True)
    complete = grid.add(t, observations)
    if complete:
        grid.take(t, compared=True)
    return passed or complete


@given(st.lists(LOOKS, min_size=1, max_size=14))
def test_no_cell_ends_before_it_may(looks: list[tuple[list[tuple[float, Any]], float]]) -> None:
    """Nobody has to look as long as a grid that has not seen the newest scrapes says that they end no cell.

    Nor does time end one that goes by without a scrape.
    """
    grid, t, now = TimeGrid([MetricConfig("errors")], 1.0), 100.0, 100.0
    known = grid.copied()
    for scrapes, wait in looks:
        ended = False
        for gap, (own, other) in scrapes:
            t = max(t, now) + gap
            now = t
            ended |= taken_by(grid, t, {"errors": ShareObservation(own, other)})
        now += wait
        if not scrapes:
            ended = taken_by(grid, now, {})
        may_end = known.ends_by(t, now)
        assert may_end or not ended
        if may_end:
            known = grid.copied()


def test_until_a_look_may_say_more_it_says_what_the_last_one_has() -> None:
    """No scrape comes any more, and nobody has to look before the first look that counts against the metric."""
    monitor, counts = (
        RolloutMonitor({"metrics": ["errors"], "scrape_interval_s": 5.0}),
        ShareObservation((9, 0), (9, 0)),
    )
    monitor.start_stage(10, 50, 100.0)
    said = [monitor.observe(100.0 + 5.0 * scrape, {"errors": counts}) for scrape in range(1, 21)][-1]
    known, told = monitor.branch(), set[str]()
    for now in range(201, 230):
        may_say_more = known.may_say_more(200.0, float(now))
        answer = monitor.observe(float(now), {})
        told.add(answer.reason)
        assert may_say_more or (answer.action, answer.reason) == (said.action, said.reason)
        if may_say_more:
            known, said = monitor.branch(), answer
    assert len(told) == 2
