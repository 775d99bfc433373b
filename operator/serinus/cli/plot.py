"""Saves a plot to a file; matplotlib is an optional extra, imported only to plot."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from serinus.cli.errors import Refused

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150


def require_plot(file: Path) -> None:
    """Raise Refused, with the way out, where matplotlib is not installed or the file can have no place."""
    if find_spec("matplotlib") is None:
        raise Refused(
            "--plot needs matplotlib, which is not installed: run `pip install matplotlib`, "
            "or install serinus with its extra `plot`"
        )
    if not file.absolute().parent.is_dir():
        raise Refused(f"{file} cannot be written: {file.parent} is not a folder")


def save(figure: Figure, file: Path) -> None:
    """Write a picture in the format that the file's name ends in; raises Refused when it cannot be written."""
    try:
        figure.savefig(file, dpi=DOTS_PER_INCH, format=file.suffix.lower().removeprefix("."))
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}") from error
