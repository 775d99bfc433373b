"""Hold on the sharp test, revert on the robust one (STATISTICS 3.9): a few rollouts of each kind in the table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.simulation import holds
from serinus.simulation.play import Played, play
from serinus.simulation.tables import Cell

SEED = 20267
CELLS = {cell.label: cell for cell in holds.cells()}


def played(label: str, runs: int) -> Played:
    return play(replace(CELLS[label], runs=runs), SEED)


@pytest.mark.parametrize(
    ("label", "most"),
    [
        ("0.1 → 1 %, 100 req/s, scraped every 15 s", 0),
        ("0.1 → 1 %, 100 req/s, scraped every 30 s", 0),
        ("0.1 → 1 %, 30 req/s, scraped every 15 s", 8),
        ("p99 x2 (all), 60 req/s, scraped every 15 s", 2),
        ("p99 x2 (tail), 100 req/s, scraped every 5 s", 2),
    ],
)
def test_pauses_of_a_minute_promote_hardly_a_worse_version(label: str, most: int) -> None:
    """Of forty; without the hold it is about ten times as many."""
    outcome = played(label, 40)
    assert int(outcome.promoted.sum()) <= most
    assert outcome.reverted_percent + outcome.promoted_percent == 100.0


@pytest.mark.parametrize(
    "label", ["equal, iid, 30 req/s, scraped every 30 s", "equal, burst, 100 req/s, scraped every 15 s"]
)
def test_an_equal_version_gets_everything_in_its_pauses(label: str) -> None:
    """Half of them at once, and none is held for hours."""
    cell, outcome = CELLS[label], played(label, 40)
    latest = cell.reference.latest_s
    assert latest is not None
    assert outcome.promoted_percent >= 97.5
    assert (outcome.seconds(50) or 1e9) <= latest[0]
    assert (outcome.seconds(90) or 1e9) <= latest[1]


def test_the_page_says_which_aims_are_missed() -> None:
    """A cell beyond its reference fails the run that writes the page."""
    cell: Cell = CELLS["0.1 → 1 %, 100 req/s, scraped every 15 s"]
    found = holds.acceptance(
        replace(cell, reference=replace(cell.reference, most_promoted=-1.0)), played(cell.label, 4)
    )
    assert [good for _, _, _, good in found] == [False]
