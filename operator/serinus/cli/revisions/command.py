"""`history` and `diff`."""

from __future__ import annotations

import json

import typer

from serinus.cli import watching
from serinus.cli.revisions.difference import two_revisions
from serinus.cli.revisions.history import history_json, history_page, past_revisions
from serinus.cli.session import Session
from serinus.cli.undo.command import COLOURS
from serinus.cli.undo.history import read_kept


def history(session: Session, *, as_json: bool) -> None:
    """Print every kept revision."""
    kept = read_kept(session.cluster, session.story())
    past = past_revisions(kept)
    if as_json:
        typer.echo(json.dumps(history_json(past), indent=2, ensure_ascii=False))
        return
    page = history_page(session.name, past, kept.seen.deployment.spec.revision_history_limit)
    watching.put(watching.console(), page)


def diff(session: Session, before: str, after: str | None) -> None:
    """Print in what two revisions differ."""
    found = two_revisions(read_kept(session.cluster, session.story()), before, after)
    lines = found.lines()
    for line in lines:
        typer.secho(line, fg=COLOURS.get(line[0]))
    if not lines:
        typer.echo(f"no difference: {found.before.name} and {found.after.name}")
