"""Decision records for the terminal: one line each if it fits, otherwise the message below, wrapped at words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from serinus.api.rollout import DecisionRecord
from serinus.api.status import Verdict
from serinus.cli.moments import clock_time

LONGEST_LINE = 120
"""Beyond this a line is folded, in a file or a pipe too: people read it wherever it goes."""
GAP = "  "
INDENT = " " * 6
VERDICT_STYLES = {
    Verdict.SAFE: "green",
    Verdict.UNSAFE: "bold red",
    Verdict.UNDECIDED: "yellow",
    Verdict.BLIND: "bold yellow",
}


@dataclass(frozen=True)
class Decisions:
    """Records to print, oldest first."""

    records: tuple[DecisionRecord, ...]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Print each on one line where it fits, else its message below."""
        width = min(options.max_width, LONGEST_LINE)
        for head, record in zip(self._heads(), self.records, strict=True):
            message = Text(record.message or "")
            if len(head) + len(message) <= width:
                yield Text.assemble(head, message)
                continue
            head.rstrip()
            yield head
            for line in message.wrap(console, width - len(INDENT)):
                yield Text.assemble(INDENT, line)

    def _heads(self) -> list[Text]:
        """Write what stands before the messages, in columns."""
        rows = [_cells(record) for record in self.records]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return [Text.assemble(GAP, *_padded(row, widths)) for row in rows]


def _padded(row: tuple[Text, ...], widths: list[int]) -> Iterator[Text | str]:
    for cell, width in zip(row, widths, strict=True):
        yield cell
        yield " " * (width - len(cell)) + GAP


def _cells(record: DecisionRecord) -> tuple[Text, ...]:
    style = VERDICT_STYLES[record.verdict] if record.verdict else ""
    return (
        Text(span(record)),
        Text(record.action),
        Text(record.exposure or f"{record.weight}%"),
        Text(str(record.verdict or ""), style=style),
        Text(record.reason + (f" x{record.count}" if record.count > 1 else "")),
    )


def span(record: DecisionRecord) -> str:
    """When it was decided first and, where that is another second, last."""
    first, last = clock_time(record.first_time), clock_time(record.last_time)
    if first == last:
        return first
    same_day = first[:10] == last[:10]
    return f"{first[:-1]} to {last[11:] if same_day else last}"
