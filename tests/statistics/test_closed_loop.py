"""The verdict moves the weight (STATISTICS 4.6): no bad model gets through, a good one does not wait for long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.simulation import tables
from serinus.simulation.play import play
from serinus.simulation.report import meets
from serinus.simulation.tables import Cell

SEED = 20263
BAD = [cell for cell in tables.closed_loop() if not cell.label.startswith("good")]
GOOD = ["good 0.1 %, iid, 100 req/s", "good 0.1 %, iid, 1000 req/s", "good 0.5 %, iid, 100 req/s"]
GOOD += ["good 0.1 %, burst, 1000 req/s", "good 0.5 %, burst, 1000 req/s"]


def named(cell: Cell) -> str:
    return f"{cell.label}, {cell.path}"


@pytest.mark.parametrize("cell", BAD, ids=named)
def test_no_bad_model_is_promoted(cell: Cell) -> None:
    played = play(replace(cell, runs=240), SEED)
    assert not played.promoted.any()
    assert meets(cell, played)


@pytest.mark.parametrize("cell", [one for one in tables.closed_loop() if one.label in GOOD], ids=named)
def test_a_good_model_gets_there(cell: Cell) -> None:
    played = play(replace(cell, runs=200), SEED)
    assert played.promoted_percent >= 99.0
    assert played.reverted_percent <= 1.0
    assert meets(cell, played)
    if cell.label == "good 0.1 %, iid, 100 req/s" and cell.path == "history":
        assert (played.seconds(50) or 1e9) <= 660
