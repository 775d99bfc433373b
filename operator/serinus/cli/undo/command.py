"""`undo`: print the change of the manifest that goes back to an earlier revision, and make it if that is asked for."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass

import typer

from serinus.cli.errors import Refused
from serinus.cli.session import LOOK_SECONDS, Session
from serinus.cli.undo.change import Undo, plan_undo
from serinus.cli.undo.gitops import gitops_tool
from serinus.cli.undo.group import group_beside
from serinus.cli.undo.history import read_kept
from serinus.cli.undo.words import effect_of, stays_behind, undo_json

COLOURS = {"-": typer.colors.RED, "+": typer.colors.GREEN, "@": typer.colors.CYAN}


@dataclass(frozen=True)
class UndoOptions:
    """The options of the command: what to go back to, whether to write it, against a GitOps tool or without the other
    members of a group, too, and JSON."""

    to: str | None = None
    apply: bool = False
    force: bool = False
    alone: bool = False
    as_json: bool = False
    wait: float = 0.0


def undo(session: Session, options: UndoOptions) -> None:
    """Print the change, and make it."""
    story = session.story()
    found = plan_undo(read_kept(session.cluster, story), options.to, group_beside(session.cluster, story))
    tool = gitops_tool(session.cluster.model_deployment(session.name) or {"metadata": {}})
    if not options.as_json:
        _show(found)
    if not options.apply:
        _next(session, options, found, tool)
        return
    if tool is not None and not options.force:
        was = found.deployment.spec.model.version
        raise Refused(
            f"not applied: {tool} applies {session.name} from git and would put version {was} back. "
            "Commit the change there, or insist with --force"
        )
    if not options.alone and (behind := stays_behind(found)):
        raise Refused(
            f"not applied: in release {found.group.release} of its group, {behind}. Undo all of them: "
            f"{'; '.join(_of_all(session, options, found))}"
        )
    _apply(session, options, found, tool)


def _show(found: Undo) -> None:
    """Print the diff line by line: a line that is folded cannot be carried into a file."""
    for line in found.diff():
        typer.secho(line, fg=COLOURS.get(line[0]))
    typer.echo(f"\neffect: {effect_of(found)}")
    if found.config_map is not None:
        typer.echo(
            f"note: this holds while ConfigMap {found.config_map} has the files of then; others are a new revision"
        )
    if behind := stays_behind(found):
        typer.echo(f"note: in release {found.group.release} of its group, {behind}")


def _next(session: Session, options: UndoOptions, found: Undo, tool: str | None) -> None:
    """Say how the change is made: in git where a tool applies it from there."""
    if options.as_json:
        _print(found, tool, applied=False)
        return
    if tool is not None:
        others = "".join(f", with that of {name}" for name, _ in found.group.staying)
        typer.echo(f"next: commit this change{others}; {tool} applies the manifest")
        return
    if found.group.staying:
        commands = "\n  ".join(_of_all(session, options, found))
        typer.echo(
            "next: commit this change and that of the others together, with a new spec.group.release in all of them;"
            f" or undo them one right after the other:\n  {commands}"
        )
        return
    typer.echo(f"next: commit this change, or {_command(session, options, session.name)}")


def _command(session: Session, options: UndoOptions, name: str, *, alone: bool = False) -> str:
    """Write the command that applies the change of a member; `--to` is of the one that was asked for."""
    to = f" --to {shlex.quote(options.to)}" if options.to is not None and name == session.name else ""
    return session.typed.command(f"undo{to} --apply{' --alone' if alone else ''}", name)


def _of_all(session: Session, options: UndoOptions, found: Undo) -> list[str]:
    names = (session.name, *(name for name, _ in found.group.staying))
    return [_command(session, options, name, alone=True) for name in names]


def _apply(session: Session, options: UndoOptions, found: Undo, tool: str | None) -> None:
    """Write the change as the user, and wait until the operator has taken it in."""
    written = session.cluster.patch_model_deployment(session.name, found.patch())
    if options.as_json:
        _print(found, tool, applied=True)
    else:
        typer.echo(f"applied: the spec of {session.name} asks for version {found.target.version}")
        typer.echo(f"note: {_put_back(found, tool)}")
    if options.wait > 0 and not _taken_in(session, int(written["metadata"]["generation"]), options.wait):
        raise Refused(
            f"the spec is changed, but the operator did not process it within {options.wait:g}s: is it running? "
            "It will act on it once it is"
        )


def _put_back(found: Undo, tool: str | None) -> str:
    was = found.deployment.spec.model.version
    if tool is not None:
        return f"{tool} puts version {was} back unless the same change is in git"
    return (
        f"if this manifest is kept in git, make the same change there: whatever applies it next puts version {was} back"
    )


def _taken_in(session: Session, generation: int, limit: float) -> bool:
    """Look until the operator has processed a generation of the spec, or the limit (seconds) is over."""
    for look in range(max(1, round(limit / LOOK_SECONDS))):
        if look:
            session.world.sleep(LOOK_SECONDS)
        status = (session.cluster.model_deployment(session.name) or {}).get("status") or {}
        if status.get("observedGeneration", 0) >= generation:
            return True
    return False


def _print(found: Undo, tool: str | None, *, applied: bool) -> None:
    typer.echo(json.dumps(undo_json(found, tool=tool, applied=applied), indent=2, ensure_ascii=False))
