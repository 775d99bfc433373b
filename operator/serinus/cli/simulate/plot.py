"""Plots the simulated rollouts over time, one panel per version: shares reverted and at 100 %."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from serinus.cli.plot import save

if TYPE_CHECKING:
    from serinus.simulation.manifest.play import Job
    from serinus.simulation.manifest.walk import Outcome

Row = tuple["Job", "Outcome"]


def draw(rows: Sequence[Row], told: str, file: Path) -> None:
    """Draw to a .png or .svg; raises Refused when the file cannot be written."""
    from matplotlib.figure import Figure

    labels = list(dict.fromkeys(job.scenario.label for job, _ in rows))
    figure = Figure(figsize=(10.0, 1.0 + 2.6 * len(labels)), layout="constrained")
    figure.suptitle(told, wrap=True, fontsize="small")
    for panel, label in zip(figure.subplots(len(labels), squeeze=False)[:, 0], labels, strict=True):
        _fill(panel, [row for row in rows if row[0].scenario.label == label], label)
    save(figure, file)


def _fill(panel: Any, rows: Sequence[Row], label: str) -> None:
    for job, outcome in rows:
        name = f"{job.rule}, {job.scenario.noise}"
        line = _curve(panel, outcome.reverted_s, label=f"{name}: reverted", style="-")
        _curve(panel, outcome.full_s, label=f"{name}: at 100 %", style="--", colour=line.get_color())
    panel.set(title=label, xlabel="minutes", ylabel="% of rollouts", ylim=(-2, 102))
    panel.legend(fontsize="x-small")


def _curve(panel: Any, seconds: Any, *, label: str, style: str, colour: str | None = None) -> Any:
    finite = np.sort(seconds[np.isfinite(seconds)]) / 60.0
    share = 100.0 * np.arange(1, finite.size + 1) / seconds.size
    steps = panel.step(
        np.concatenate(([0.0], finite)), np.concatenate(([0.0], share)), style, where="post", label=label
    )
    line = steps[0]
    if colour is not None:
        line.set_color(colour)
    return line
