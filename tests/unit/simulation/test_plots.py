"""The pictures of docs/statistics.md are drawn from the product's own monitor and say what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from serinus.simulation import plots


def test_a_tenfold_error_rate_passes_the_threshold_and_an_equal_one_does_not() -> None:
    """Red lines end above 100, grey ones run to the right edge below 20."""
    seconds, evidence = plots.evidence_over_time(0.01, seed=1)
    assert evidence[-1] >= 100.0
    assert seconds[-1] < plots.WATCHED_S
    seconds, evidence = plots.evidence_over_time(plots.GOOD_RATE, seed=1)
    assert evidence.max() < 20.0
    assert seconds[-1] == plots.WATCHED_S


def test_both_pictures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One command makes both files."""
    monkeypatch.setattr(plots, "TRAFFICS", (1000.0,))
    monkeypatch.setattr(plots, "SEEDS", 1)
    files = plots.draw(tmp_path, runs=20)
    assert [file.name for file in files] == ["evidence.png", "wrong-answers.png"]
    assert all(file.stat().st_size > 10_000 for file in files)
