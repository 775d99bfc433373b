"""Shows the demo: a live picture on a terminal, plain lines anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from serinus_local.demo.answers import Tally, wall
from serinus_local.demo.timeline import Timeline
from serinus_local.demo.watching import Manifest

BAR = 40
LINES = 14
COLOURS = {"Safe": "green", "Unsafe": "bold red", "Undecided": "yellow", "Blind": "magenta"}


class View(Protocol):
    """What there is to show."""

    @property
    def chapter(self) -> str: ...

    @property
    def tally(self) -> Tally: ...

    @property
    def timeline(self) -> Timeline: ...

    def newest(self) -> Manifest | None: ...


@contextmanager
def shown(view: View) -> Iterator[None]:
    """Show the demo for the time of the block."""
    if not sys.stdout.isatty():
        view.timeline.told = lambda line: print(line, flush=True)
        yield
        return
    with Live(get_renderable=lambda: picture(view), console=Console(), refresh_per_second=5):
        yield


def picture(view: View) -> RenderableType:
    """Draw everything once."""
    rollout = view.newest()
    lines = "\n".join(view.timeline.lines[-LINES:])
    return Panel(
        Group(_split(rollout), _verdict(rollout), Text(), _answers(view.tally), Text(), Text(lines, style="dim")),
        title=f"Serinus · {view.chapter}",
    )


def _split(rollout: Manifest | None) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for version, weight in _weights(rollout):
        filled = round(BAR * weight / 100)
        table.add_row(f"version {version}", Text("█" * filled + "·" * (BAR - filled)), f"{weight:3d} %")
    return table


def _weights(rollout: Manifest | None) -> list[tuple[str, int]]:
    if rollout is None:
        return []
    weight, before = rollout.get("status", {}).get("weight", 0), rollout["spec"].get("from")
    stable = [(before["version"], 100 - weight)] if before else []
    return [*stable, (rollout["spec"]["to"]["version"], weight)]


def _verdict(rollout: Manifest | None) -> Text:
    status = (rollout or {}).get("status", {})
    verdict = status.get("verdict", "")
    text = Text(f"{status.get('phase', '')} step {status.get('stepText', '-')}  ")
    text.append(verdict, style=COLOURS.get(verdict, ""))
    text.append(f"  {status.get('reason', '')}: {status.get('message', '')}" if status else "")
    return text


def _answers(tally: Tally) -> RenderableType:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for column in ("answers", "last 5 s", "in all"):
        table.add_column(column, justify="left" if column == "answers" else "right")
    recent = tally.recent(wall())
    for label in sorted(tally.by_label):
        name = {"bad": "bad answers of version 3", "failed": "failed otherwise"}.get(label, f"version {label}")
        style = "red" if label in ("bad", "failed") else ""
        table.add_row(name, str(recent.get(label, 0)), str(tally.by_label[label]), style=style)
    return table
