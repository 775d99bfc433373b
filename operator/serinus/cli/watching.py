"""`status`, once or again and again until interrupted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from serinus.cli.advice import advice
from serinus.cli.as_json import story_json
from serinus.cli.errors import Refused
from serinus.cli.present import page
from serinus.cli.session import Session
from serinus.cli.story import Story

LOOK_SECONDS = 1.0
NO_TERMINAL_WIDTH = 400
"""Lines for a file or a pipe are never folded."""


def show(session: Session, *, as_json: bool) -> None:
    """Print the status once."""
    _print(session, session.story(), console(), as_json=as_json)


def watch(session: Session, *, as_json: bool) -> None:
    """Show the status until interrupted: redrawn on a terminal, else printed again when it has changed.

    A cluster that does not answer for a while does not end it; one that never did, does.
    """
    screen = console()
    if screen.is_terminal and not as_json:
        _redraw(session, screen)
    else:
        _print_changes(session, screen, as_json=as_json)


def console() -> Console:
    """A console that folds lines on a terminal only."""
    screen = Console(highlight=False)
    return screen if screen.is_terminal else Console(highlight=False, width=NO_TERMINAL_WIDTH)


def _stories(session: Session) -> Iterator[Story]:
    """Read again and again."""
    yield session.story()
    while True:
        session.world.sleep(LOOK_SECONDS)
        try:
            yield session.story()
        except Refused as error:
            typer.echo(f"serinus: {error}; looks again", err=True)


def _redraw(session: Session, screen: Console) -> None:
    with Live(console=screen, auto_refresh=False) as live:
        for story in _stories(session):
            live.update(_page(session, story), refresh=True)


def _print_changes(session: Session, screen: Console, *, as_json: bool) -> None:
    before = None
    for story in _stories(session):
        if story != before:
            _print(session, story, screen, as_json=as_json, indent=None)
        before = story


def _print(session: Session, story: Story, screen: Console, *, as_json: bool, indent: int | None = 2) -> None:
    if as_json:
        told = story_json(story, advice(story, session.typed))
        typer.echo(json.dumps(told, indent=indent, ensure_ascii=False))
    else:
        screen.print(_page(session, story))


def _page(session: Session, story: Story) -> RenderableType:
    return page(story, advice(story, session.typed), session.world.now())
