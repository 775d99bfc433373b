"""The simulation itself: what it draws, that a seed settles it, and that its page tells good from bad."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serinus.simulation import policies, tables
from serinus.simulation.__main__ import main
from serinus.simulation.distribution import shifted_shares
from serinus.simulation.kept import play_kept
from serinus.simulation.play import Played, chunks, play
from serinus.simulation.report import acceptance, meets, render
from serinus.simulation.traffic import NOISES, ErrorWorkload, Noise, TrafficSource


@pytest.mark.parametrize("noise", NOISES)
def test_traffic_has_the_rates_that_were_asked_for(noise: Noise) -> None:
    runs, traffic = 400, TrafficSource(ErrorWorkload(200, 0.01, 0.02, noise), 400, np.random.default_rng(1))
    scrapes = [traffic.scrape(5.0 * (index + 1), np.full(runs, 0.25)) for index in range(120)]
    requests = sum(one.requests.sum(axis=1) for one in scrapes)
    events = sum(one.events.sum(axis=1) for one in scrapes)
    assert requests / requests.sum() == pytest.approx([0.25, 0.375, 0.375], rel=0.03)
    assert requests.sum() == pytest.approx(200 * 600 * runs, rel=0.02)
    rates = events / requests
    if noise in {"iid", "burst", "wobble"}:
        assert rates == pytest.approx([0.02, 0.01, 0.01], rel=0.1)
    else:
        assert rates[0] > rates[1] >= 0.009
    assert all((one.events <= one.requests).all() for one in scrapes)


def test_what_was_played_before_is_not_played_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All tables take hours: a run that was interrupted goes on where it was."""
    one, other = (replace(cell, runs=20) for cell in (*tables.detection(20),)[:2])
    first = play_kept(tmp_path, one, 0, 20, 1)
    monkeypatch.setattr("serinus.simulation.kept.play_chunk", lambda *_: pytest.fail("played again"))
    again = play_kept(tmp_path, one, 0, 20, 1)
    assert again.reverted_s.tolist() == first.reverted_s.tolist()
    assert again.in_guard.dtype == first.in_guard.dtype
    for cell, chunk, seed in ((other, 0, 1), (one, 1, 1), (one, 0, 2)):
        with pytest.raises(pytest.fail.Exception):
            play_kept(tmp_path, cell, chunk, 20, seed)


def test_a_seed_settles_everything() -> None:
    cell = replace(next(tables.detection(60)), path="conservative")
    first, second, other = play(cell, 1), play(cell, 1), play(cell, 2)
    assert first.reverted_s.tolist() == second.reverted_s.tolist()
    assert first.reverted_s.tolist() != other.reverted_s.tolist()


def test_chunks_cover_every_rollout() -> None:
    for cell in (*tables.latency(), *tables.closed_loop(), *tables.false_reverts()):
        assert sum(chunks(cell)) == cell.runs


@pytest.mark.parametrize("shape", ["smooth", "one-bin"])
@pytest.mark.parametrize("psi", [0.0, 0.05, 0.25])
def test_shifts_have_the_psi_that_was_asked_for(psi: float, shape: str) -> None:
    shares = shifted_shares(psi, 10, shape)
    assert ((shares - 0.1) * np.log(shares / 0.1)).sum() == pytest.approx(psi, abs=1e-6)


def played(seconds: float, wrong: float, *, reverted: bool = True, promoted: bool = False) -> Played:
    times = np.full(100, seconds)
    return Played(
        times if reverted else np.full(100, np.inf), np.full(100, promoted), np.full(100, wrong), np.full(100, seconds)
    )


def test_the_page_tells_good_from_bad() -> None:
    detection = next(cell for cell in tables.detection() if "0.1 → 1 %, iid, 100 req/s" in cell.label)
    bad = next(cell for cell in tables.closed_loop() if cell.label.startswith("0.1 → 1 %"))
    equal = next(tables.false_reverts())
    good_rows = [
        (detection, played(600, 7)),
        (bad, played(2000, 6)),
        (equal, played(0, 0, reverted=False)),
    ]
    bad_rows = [
        (detection, played(900, 12)),
        (bad, played(2000, 6, reverted=False, promoted=True)),
        (equal, played(100, 0)),
    ]
    assert all(meets(*row) for row in good_rows)
    assert all(good for _, _, _, good in acceptance(good_rows))
    assert not meets(*bad_rows[0])
    assert not meets(*bad_rows[2])
    assert sum(not good for _, _, _, good in acceptance(bad_rows)) >= 3
    page = render(bad_rows, seed=1)
    assert "**no**" in page
    assert "100 of 100" in page


def test_the_table_of_policies_marks_what_is_over_its_bound() -> None:
    cells = [cell for cell in policies.guarded(100) if cell.label.startswith("outage, 0.1 %")]
    fine, bad = played(0, 0, reverted=False), replace(played(900, 0), in_guard=np.ones(100, dtype=np.bool_))
    rows = [(cell, bad if cell.method == policies.DEFAULT else fine) for cell in cells]
    page = render(rows, seed=1)
    assert "0 of 4 cells within" in page
    assert "4 of 4 cells within" in page
    assert "| outage, 0.1 % | **100.00 %** (100.00) |" in page
    assert all(good for _, _, _, good in acceptance(rows))


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    page = tmp_path / "results.md"
    assert main(["--scale", "0.001", "--only", "4.5", "--workers", "1", "--nice", "0", "--out", str(page)]) == 0
    assert "Scalar series" in page.read_text()
