"""The table of whole policies: noise and error rate down, requests a second across."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_high

from serinus.simulation.play import Played
from serinus.simulation.tables import Cell

Row = tuple[Cell, Played]


def policy_table(rows: Sequence[Row]) -> list[str]:
    """One table a policy; what is over its bound is in bold."""
    lines = [
        "Per cent of rollouts reverted; in brackets, those reverted in the guard window, when stable no longer gets",
        "traffic to excuse an outage. Bold: over 1.5 % (sticky clients: 2.5 %). The default policy: a limit of 5 %, 20",
        "requests, `failureLimit: 0`, weights of 5, 25 and 50 % for a minute each, and a guard window of ten minutes.",
        "At 1 req/s its first weight rarely gets 20 requests a minute, so those cells have a quarter of the rollouts,",
        "six hours each.",
    ]
    for name in dict.fromkeys(cell.method for cell, _ in rows):
        lines += ["", *_policy(name, [row for row in rows if row[0].method == name])]
    return lines


def _policy(name: str, rows: Sequence[Row]) -> list[str]:
    levels = list(dict.fromkeys(cell.label.rpartition(", ")[2] for cell, _ in rows))
    found = {cell.label: (cell, played) for cell, played in rows}
    within = sum(_within(cell, played) for cell, played in rows)
    runs, most = median_high(played.runs for _, played in rows), max(played.runs for _, played in rows)
    sticky = f", sticky clients {most}" if most > runs else ""
    lines = [
        f"**{name[0].upper()}{name[1:]}**, {runs} rollouts a cell{sticky}: {within} of {len(rows)} cells within.",
        "",
        f"| Noise, errors | {' | '.join(levels)} |",
        f"| --- |{' --- |' * len(levels)}",
    ]
    kinds = dict.fromkeys(cell.label.rpartition(", ")[0] for cell, _ in rows)
    return lines + [
        f"| {kind} | {' | '.join(_shown(*found[f'{kind}, {level}']) for level in levels)} |" for kind in kinds
    ]


def _within(cell: Cell, played: Played) -> bool:
    most = cell.reference.most_reverted
    return most is None or played.reverted_percent <= most


def _shown(cell: Cell, played: Played) -> str:
    share = f"{played.reverted_percent:.2f} %"
    guard = 100.0 * float(played.in_guard.sum()) / played.runs
    text = share if _within(cell, played) else f"**{share}**"
    return f"{text} ({guard:.2f})" if guard else text
