"""`status`, once or repeatedly until interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from serinus.cli.advice import advice
from serinus.cli.as_json import story_json
from serinus.cli.cluster import UserCluster
from serinus.cli.errors import Refused
from serinus.cli.listing import Listing, listing_json, listing_page, read_listing
from serinus.cli.present import page
from serinus.cli.session import Session
from serinus.cli.story import Story
from serinus.core.model.kinds import Json

REFRESH_SECONDS = 1.0
NO_TERMINAL_WIDTH = 400
"""Lines for a file or a pipe are folded only where they are prose."""
_CONSOLE: Final = partial(Console, highlight=False, markup=False, emoji=False)
"""Users' words are never markup: an address may hold [v2], and a version :tada:."""
T = TypeVar("T")


@dataclass(frozen=True)
class View(Generic[T]):
    """Something to show: how to read it, and how to write it for people and for scripts."""

    read: Callable[[], T]
    page: Callable[[T], RenderableType]
    as_json: Callable[[T], Json | list[Json]]


def one(session: Session) -> View[Story]:
    """Look at one ModelDeployment."""
    typed, now = session.typed, session.world.now
    return View(
        session.story,
        lambda story: page(story, advice(story, typed), now()),
        lambda story: story_json(story, advice(story, typed)),
    )


def several(cluster: UserCluster, *, everywhere: bool) -> View[Listing]:
    """Look at all ModelDeployments of the namespace, or of the cluster."""
    return View(lambda: read_listing(cluster, everywhere=everywhere), listing_page, listing_json)


def show(view: View[T], *, as_json: bool) -> None:
    """Print it once."""
    _print(view, view.read(), console(), as_json=as_json)


def watch(view: View[T], sleep: Callable[[float], None], *, as_json: bool) -> None:
    """Show it until interrupted: redrawn on a terminal, else printed again, and flushed, when it has changed.

    A cluster that does not answer for a while does not end it; one that never did, does.
    """
    screen = console()
    looks = _looks(view, sleep)
    # A file is no terminal, whatever FORCE_COLOR makes of it: what redraws a screen would fill it with control codes.
    if screen.file.isatty() and not as_json:
        _redraw(view, looks, screen)
    else:
        _print_changes(view, looks, screen, as_json=as_json)


def console() -> Console:
    """Make a console that folds lines on a terminal only; what is in brackets or between colons stays as it is."""
    screen = _CONSOLE()
    return screen if screen.is_terminal else _CONSOLE(width=NO_TERMINAL_WIDTH)


def put(screen: Console, shown: RenderableType) -> None:
    """Print; in a file or a pipe without the blanks that tables are filled up with."""
    if screen.is_terminal:
        screen.print(shown)
        return
    with screen.capture() as captured:
        screen.print(shown)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def _looks(view: View[T], sleep: Callable[[float], None]) -> Iterator[T]:
    """Read again and again."""
    yield view.read()
    while True:
        sleep(REFRESH_SECONDS)
        try:
            yield view.read()
        except Refused as error:
            typer.echo(f"serinus: {error}; retrying", err=True)


def _redraw(view: View[T], looks: Iterator[T], screen: Console) -> None:
    with Live(console=screen, auto_refresh=False) as live:
        for seen in looks:
            live.update(view.page(seen), refresh=True)


def _print_changes(view: View[T], looks: Iterator[T], screen: Console, *, as_json: bool) -> None:
    before = None
    for seen in looks:
        if seen != before:
            _print(view, seen, screen, as_json=as_json, indent=None)
            screen.file.flush()
        before = seen


def _print(view: View[T], seen: T, screen: Console, *, as_json: bool, indent: int | None = 2) -> None:
    if as_json:
        typer.echo(json.dumps(view.as_json(seen), indent=indent, ensure_ascii=False))
    else:
        put(screen, view.page(seen))
