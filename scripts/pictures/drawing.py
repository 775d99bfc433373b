"""A picture as SVG: rows of stacked areas over one time, with marks for what happens.

All colours are solid and all other text is of a middle grey, so that it reads on a light page and on a dark one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

LEFT, WIDTH, RIGHT = 118, 570, 22
MARK_HEIGHT, GAP, AXIS_HEIGHT = 16, 7, 26
INK = "#6e7b8a"
COLOURS = ("#6e7781", "#1f6feb", "#bc4c00")
"""Of the version that serves, the one that is tried, and the one after that."""
LETTER = 6.4
"""The width of a letter, in pixels: about."""
STRIPES = (
    '<pattern id="copies" width="8" height="8" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="8" height="8" fill="{COLOURS[1]}"/>'
    '<rect width="3" height="8" fill="#ffffff" fill-opacity="0.2"/></pattern>'
)

Shares = Mapping[str, float]


@dataclass(frozen=True)
class Row:
    """What each version has, second by second, of `total`. Versions are stacked from the bottom, the newest first."""

    label: str
    seconds: Sequence[Shares]
    height: int = 80
    total: float = 100.0
    unit: str = " %"
    copies: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happens at a second."""

    at: float
    text: str


@dataclass(frozen=True)
class Picture:
    """A file's name, what it shows in one sentence, and what is in it."""

    name: str
    title: str
    versions: Sequence[str]
    rows: Sequence[Row]
    marks: Sequence[Mark]
    tick: tuple[float, str, int] = (60.0, "min", 1)
    """Seconds from one tick to the next, the unit, and how many of it that is."""


def svg(picture: Picture) -> str:
    """Draw a picture."""
    span = max(len(row.seconds) for row in picture.rows)
    lines = _mark_lines(picture.marks, span)
    top = MARK_HEIGHT * (1 + max((line for line, _ in lines), default=0)) + 4
    height = top + sum(row.height + GAP for row in picture.rows) + AXIS_HEIGHT
    areas, words = _areas(picture, span, top), _words(picture, span, top)
    body = [*areas, *_axis(picture, span, height - AXIS_HEIGHT), *_marks(lines, span, height), *words]
    wide = LEFT + WIDTH + RIGHT
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {height}" width="{wide}" height="{height}" '
            f'role="img" font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="12">',
            f"<title>{escape(picture.title)}</title>",
            f"<defs>{STRIPES}</defs>",
            *body,
            "</svg>\n",
        )
    )


def _areas(picture: Picture, span: int, top: int) -> Iterator[str]:
    for row in picture.rows:
        for index in range(len(picture.versions)):
            yield from _area(row, picture.versions, index, span, top)
        top += row.height + GAP


def _words(picture: Picture, span: int, top: int) -> Iterator[str]:
    for row in picture.rows:
        yield _text(LEFT - 10, top + row.height / 2 + 4, row.label, anchor="end")
        for version in picture.versions:
            yield from _labels(row, picture.versions, version, span, top)
        top += row.height + GAP


def _area(row: Row, versions: Sequence[str], index: int, span: int, top: int) -> Iterator[str]:
    """Draw what a version has, on top of what the newer ones have."""
    fill = "url(#copies)" if row.copies else COLOURS[index % len(COLOURS)]
    for at, seconds, (low, high) in _stages(row, versions, versions[index]):
        if high > low:
            y = top + row.height * (1 - high / row.total)
            tall = row.height * (high - low) / row.total
            yield (
                f'<rect x="{_x(at, span):.1f}" y="{y:.1f}" width="{_x(seconds, span) - LEFT:.1f}" '
                f'height="{tall:.1f}" fill="{fill}"/>'
            )


def _labels(row: Row, versions: Sequence[str], version: str, span: int, top: int) -> Iterator[str]:
    """Write into each stage what the version has, where there is room for it."""
    for at, seconds, (low, high) in _stages(row, versions, version):
        share = high - low
        amount = f"{share:g}{row.unit}" if row.unit else ""
        wide, tall = _x(seconds, span) - LEFT, row.height * share / row.total
        text = next((one for one in (f"{version}: {amount}" if amount else version, amount) if _fits(one, wide)), "")
        if text and share and tall >= 13:
            y = top + row.height * (1 - (low + high) / 2 / row.total) + 4
            yield _text(_x(at + seconds / 2, span), y, text, anchor="middle", ink="#ffffff")


def _stages(row: Row, versions: Sequence[str], version: str) -> Iterator[tuple[int, int, tuple[float, float]]]:
    """Give the times at which a version's part stays the same: begin, seconds, and from where to where it goes."""
    newer = versions[versions.index(version) + 1 :]
    at = 0
    for part, same in groupby(_part(second, newer, version) for second in row.seconds):
        seconds = len(list(same))
        yield at, seconds, part
        at += seconds


def _part(second: Shares, newer: Sequence[str], version: str) -> tuple[float, float]:
    low = sum(second.get(one, 0.0) for one in newer)
    return low, low + second.get(version, 0.0)


def _axis(picture: Picture, span: int, y: float) -> Iterator[str]:
    every, unit, each = picture.tick
    yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}" stroke="{INK}"/>'
    for number in range(int(span / every) + 1):
        x = _x(number * every, span)
        yield f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{x:.1f}" y2="{y + 4:.1f}" stroke="{INK}"/>'
        yield _text(x, y + 18, f"{number * each} {unit}" if number else "0", anchor="middle")


def _mark_lines(marks: Sequence[Mark], span: int) -> list[tuple[int, Mark]]:
    """Put each mark into the lowest line in which its words have room beside the one before."""
    ends: list[float] = []
    placed = []
    for mark in sorted(marks, key=lambda one: one.at):
        begin, end = _place(mark, span)
        line = next((number for number, last in enumerate(ends) if last <= begin), len(ends))
        ends[line:] = [end, *ends[line + 1 :]]
        placed.append((line, mark))
    return placed


def _marks(lines: Sequence[tuple[int, Mark]], span: int, height: int) -> Iterator[str]:
    most = max((line for line, _ in lines), default=0)
    for line, mark in lines:
        x, y = _x(mark.at, span), MARK_HEIGHT * (most - line + 1) - 3
        yield (
            f'<line x1="{x:.1f}" y1="{y - 9}" x2="{x:.1f}" y2="{height - AXIS_HEIGHT}" stroke="{INK}" '
            f'stroke-dasharray="3 3"/>'
        )
        _, end = _place(mark, span)
        yield _text(x + 4, y, mark.text) if end > x + 4 else _text(x - 4, y, mark.text, anchor="end")


def _place(mark: Mark, span: int) -> tuple[float, float]:
    """Give where the words of a mark begin and end: at its right, or at its left where the picture ends before."""
    x, wide = _x(mark.at, span), len(mark.text) * LETTER + 12
    return (x - 2, x + wide) if x + wide <= LEFT + WIDTH + RIGHT else (x - wide, x + 2)


def _text(x: float, y: float, text: str, *, anchor: str = "start", ink: str = INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}">{escape(text)}</text>'


def _fits(text: str, wide: float) -> bool:
    return len(text) * LETTER + 4 <= wide


def _x(at: float, span: int) -> float:
    return LEFT + WIDTH * at / span
