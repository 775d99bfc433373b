"""`serinus convert`: read a file of another tool, and print ModelDeployments with what has no equal."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import typer

from serinus.cli.convert.converted import Conversion, convert_all
from serinus.cli.convert.draft import RemarkKind
from serinus.cli.convert.page import as_json as json_of
from serinus.cli.convert.page import page
from serinus.cli.convert.reading import read_manifests
from serinus.cli.errors import Refused

STDIN = Path("-")
COUNTED = {
    RemarkKind.PLACEHOLDER: "to fill in",
    RemarkKind.NO_EQUAL: "without an equal",
    RemarkKind.NOTE: "to know",
}


def convert(file: Path, *, as_json: bool) -> None:
    """Print what the file becomes; how many lines there are to read goes to stderr."""
    try:
        conversion = convert_all(read_manifests(_text_of(file)))
    except Refused as error:
        raise Refused(f"{'standard input' if file == STDIN else file}: {error}") from error
    if as_json:
        typer.echo(json_of(conversion))
        return
    typer.echo(page(conversion), nl=False)
    for line in _summary(conversion):
        typer.echo(line, err=True)


def _text_of(file: Path) -> str:
    try:
        return (sys.stdin.buffer.read() if file == STDIN else file.read_bytes()).decode("utf-8")
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Refused("cannot be read: it is not UTF-8 text") from error


def _summary(conversion: Conversion) -> list[str]:
    """Count what a person has to look at, since the lines may have gone into a file."""
    lines = []
    for one in conversion.converted:
        counted = Counter(remark.kind for remark in one.remarks)
        told = ", ".join(f"{counted[kind]} {words}" for kind, words in COUNTED.items() if counted[kind])
        lines.append(f"serinus: {one.source}: {told or 'nothing to tell'}; the comments above the manifest say which")
    return lines
