"""Draws a picture to a file; matplotlib is an optional extra, and is loaded by whoever draws."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from serinus.cli.errors import Refused

if TYPE_CHECKING:
    from serinus.cli.plot_data import Picture

FORMATS = (".png", ".svg")
DOTS_PER_INCH = 150
SIZE_INCHES = (10.0, 8.0)


def require_matplotlib() -> None:
    """Raise Refused, with the way out, where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        raise Refused(
            "--plot needs matplotlib, which is not installed: run `pip install matplotlib`, "
            "or install serinus with its extra `plot`"
        )


def draw(picture: Picture, file: Path) -> None:
    """Draw the three panels; raises Refused when the file cannot be written."""
    from matplotlib.figure import Figure

    from serinus.cli.plot_panels import fill

    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    fill(figure, picture)
    try:
        figure.savefig(file, dpi=DOTS_PER_INCH, format=file.suffix.lower().removeprefix("."))
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}") from error
