"""Chunks that were played before: all tables take hours, and an interrupted run goes on where it was.

A folder belongs to one version of the code; nobody checks that.
"""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import numpy as np

from serinus.simulation.play import Played, play_chunk, seed_of
from serinus.simulation.tables import Cell


def play_kept(folder: Path, cell: Cell, chunk: int, runs: int, seed: int) -> Played:
    """Read a chunk from the folder, or play it and keep it there."""
    # The seed tells apart what looks the same without its signs.
    words = f"{cell.table} {cell.label} {cell.path} {cell.method} {chunk} {runs} {seed}"
    file = folder / f"{re.sub(r'[^0-9A-Za-z.]+', '_', words)}.{seed_of(cell, chunk, seed)}.npz"
    if file.exists():
        return _read(file)
    played = play_chunk(cell, chunk, runs, seed)
    _write(file, played)
    return played


def _read(file: Path) -> Played:
    with np.load(file) as kept:
        return Played(**{one.name: kept[one.name] for one in fields(Played)})


def _write(file: Path, played: Played) -> None:
    """Whole or not at all: a run may be killed at any moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.npz")
    np.savez(part, **{one.name: getattr(played, one.name) for one in fields(Played)})
    part.replace(file)
