"""The verdict moves the weight (STATISTICS 4.6): no bad model gets through, a good one does not wait for long."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from serinus.simulation import tables
from serinus.simulation.closed_loop import LoopPolicy, run_closed_loop
from serinus.simulation.guardrail import Guardrail
from serinus.simulation.judge import Judgement
from serinus.simulation.play import play
from serinus.simulation.report import meets
from serinus.simulation.tables import Cell
from serinus.simulation.traffic import ErrorWorkload

SEED = 20263
TIMED = LoopPolicy((0.05, 0.25, 0.5), pace="timed", pauses_s=(60.0, 60.0, 60.0), longest_s=1800.0)
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


def test_timed_pauses_are_never_cut_short() -> None:
    result = run_closed_loop(ErrorWorkload(100, 0.001, 0.001), 100, SEED, Judgement(history=False), TIMED)
    assert result.promoted.mean() >= 0.99
    assert result.decided_s.min() == 180.0


def test_timed_pauses_end_late_while_samples_are_too_few() -> None:
    result = run_closed_loop(ErrorWorkload(1, 0.0, 0.0), 50, SEED, Judgement(history=False), TIMED)
    assert result.promoted.all()
    assert result.decided_s.min() > 180.0


def test_the_guardrail_acts_on_a_broken_model_in_seconds() -> None:
    policy = replace(TIMED, guardrail=Guardrail(0.05))
    broken, slower = ErrorWorkload(100, 0.001, 0.5), replace(TIMED, guardrail=Guardrail(0.05, failure_limit=3))
    judgement = Judgement(history=False)
    assert np.median(run_closed_loop(broken, 100, SEED, judgement, policy).decided_s) == 5.0
    assert np.median(run_closed_loop(broken, 100, SEED, judgement, slower).decided_s) == 20.0
    assert run_closed_loop(ErrorWorkload(1000, 0.001, 0.001), 100, SEED, judgement, policy).promoted.all()


def test_the_guardrail_does_not_fire_in_a_shared_outage() -> None:
    policy = replace(TIMED, guardrail=Guardrail(0.05), longest_s=3600.0)
    result = run_closed_loop(ErrorWorkload(100, 0.001, 0.001, "outage"), 100, SEED, Judgement(history=False), policy)
    assert result.reverted.mean() <= 0.05


def test_timed_needs_its_pauses() -> None:
    with pytest.raises(ValueError, match="pause"):
        run_closed_loop(ErrorWorkload(1, 0.0, 0.0), 2, SEED, Judgement(history=False), LoopPolicy(pace="timed"))
