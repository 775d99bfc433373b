"""`explain`: why a rollout was decided as it was, from its own record; in words or as a plot."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import typer

from serinus.cli.explain.account import Account, account_of
from serinus.cli.explain.as_json import account_json
from serinus.cli.explain.page import show
from serinus.cli.plot import require_plot, save
from serinus.cli.session import Session
from serinus.cli.watching import console
from serinus.core.model.source import Source


@dataclass(frozen=True)
class ExplainOptions:
    """The options of the command: a Rollout other than the newest, JSON, a plot, and a Prometheus for its curves."""

    rollout: str | None = None
    as_json: bool = False
    plot: Path | None = None
    prometheus: Source | None = None


def explain(session: Session, options: ExplainOptions) -> None:
    """Print the explanation, and draw it where a file is named."""
    if options.plot is not None:
        require_plot(options.plot)
    account = account_of(session.story(), options.rollout, session.world.now())
    if options.as_json:
        typer.echo(json.dumps(account_json(account), indent=2, ensure_ascii=False))
    else:
        show(account, console())
    if options.plot is not None:
        _draw(session, account, options.plot, options.prometheus)


def _draw(session: Session, account: Account, file: Path, prometheus: Source | None) -> None:
    from serinus.cli.explain.panels import draw
    from serinus.cli.explain.picture import recorded_picture, remembered_picture

    now = session.world.now()
    if prometheus is None:
        picture = recorded_picture(account, now)
    else:
        from serinus.cli.explain.history import PrometheusArchive

        picture = remembered_picture(account, PrometheusArchive(prometheus), now)
    save(draw(picture), file)
    typer.echo(f"wrote {file}" + (f": {picture.note}" if picture.note else ""), err=True)
