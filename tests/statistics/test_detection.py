"""A worse model is reverted as fast as the design says (STATISTICS 4.2 to 4.6): medians within 1.3, p95 within 1.5."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.simulation import tables
from serinus.simulation.play import play
from serinus.simulation.report import meets
from serinus.simulation.tables import Cell

SEED = 20262


def cells(rows: list[Cell], runs: int) -> list[object]:
    return [pytest.param(replace(cell, runs=runs), id=f"{cell.table} {cell.label}, {cell.path}") for cell in rows]


DETECTION = [cell for cell in tables.detection() if cell.path == "history"]
LATENCY = [cell for cell in tables.latency() if cell.path == "history" and "equal" not in cell.label]
EQUAL = [cell for cell in tables.latency() if "equal" in cell.label and "1000 req/s" in cell.label]
DRIFT = [cell for cell in tables.drift() if cell.reference.median_s is not None]
NO_DRIFT = [cell for cell in tables.drift() if cell.label.startswith("PSI 0.05")]
SCALARS = list(tables.scalars())


@pytest.mark.parametrize("cell", cells(DETECTION, 300))
def test_errors_are_found_in_time(cell: Cell) -> None:
    assert meets(cell, play(cell, SEED))


@pytest.mark.parametrize("cell", cells(LATENCY, 75))
def test_slowness_is_found_in_time(cell: Cell) -> None:
    assert meets(cell, play(cell, SEED))


@pytest.mark.parametrize("cell", cells(EQUAL, 125))
def test_equal_latency_stays(cell: Cell) -> None:
    assert play(cell, SEED).reverted_percent == 0.0


@pytest.mark.parametrize("cell", cells(DRIFT, 200))
def test_drift_is_found_in_time(cell: Cell) -> None:
    played = play(cell, SEED)
    assert meets(cell, played)
    if cell.label.startswith("PSI 0.25") and "100 req/s" in cell.label:
        assert played.wrong_answers(50) <= 1300


@pytest.mark.parametrize("cell", cells(NO_DRIFT, 300))
def test_drift_within_the_tolerance_never_reverts(cell: Cell) -> None:
    assert play(cell, SEED).reverted_percent == 0.0


@pytest.mark.parametrize("cell", cells(SCALARS, 150))
def test_scalar_series(cell: Cell) -> None:
    assert meets(cell, play(cell, SEED))


@pytest.mark.parametrize(("level", "most"), [(10.0, 25.0), (100.0, 15.0), (1000.0, 16.5)])
def test_a_tenfold_error_rate_costs_ten_wrong_answers(level: float, most: float) -> None:
    cell = next(one for one in DETECTION if one.label == f"0.1 → 1 %, iid, {level:g} req/s")
    played = play(replace(cell, runs=500), SEED)
    assert played.wrong_answers(50) <= 10.0
    assert played.wrong_answers(95) <= most


@pytest.mark.parametrize(("level", "seconds"), [(100.0, 45.0), (1000.0, 30.0)])
def test_without_history_a_broken_model_is_out_within_a_minute(level: float, seconds: float) -> None:
    label = f"0.1 → 50 %, iid, {level:g} req/s"
    cell = next(one for one in tables.detection(200) if one.path == "conservative" and one.label == label)
    played = play(cell, SEED)
    assert played.reverted_percent == 100.0
    assert (played.seconds(50) or 1e9) <= seconds
