"""The commands that make sense next, ready to paste."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serinus.api.status import Phase
from serinus.cli import levers
from serinus.cli.errors import Refused
from serinus.cli.story import Story


@dataclass(frozen=True)
class Advice:
    """A command, and what it would do."""

    command: str
    effect: str


@dataclass(frozen=True)
class Typed:
    """How the program was called, so that suggested commands can be pasted: its name, and its cluster flags."""

    program: str = "serinus"
    flags: str = ""

    def command(self, words: str, name: str) -> str:
        """Write a command line; `words` is the command and its options."""
        command, _, options = words.partition(" ")
        return f"{self.program} {command} {name}{' ' if options else ''}{options}{self.flags}"


Lever = Callable[[Story], levers.Pull]
_RUNNING: tuple[tuple[str, Lever], ...] = (
    ("resume", levers.resume),
    ("promote", levers.promote),
    ("promote --full", lambda story: levers.promote(story, full=True)),
    ("pause", levers.pause),
    ("abort", levers.abort),
)
_ENDED: tuple[tuple[str, Lever], ...] = (("retry", lambda story: levers.retry(story, "next")),)


def advice(story: Story, typed: Typed) -> tuple[Advice, ...]:
    """List the commands that would do something now; a lever that refuses is not advised."""
    newest = story.newest
    if newest is None:
        return ()
    choice = _ENDED if newest.status.phase.ended else _RUNNING
    return tuple(
        Advice(typed.command(words, story.name), pull.said)
        for words, lever in choice
        if _sensible(story, words) and (pull := _tried(lever, story)) is not None
    )


def _sensible(story: Story, words: str) -> bool:
    """Leave out what is possible but beside the point, so that the list stays short."""
    newest = story.newest
    if newest is None or not newest.spec.from_:
        return False
    paused, guarding = bool(newest.spec.paused), newest.status.phase is Phase.GUARDING
    match words:
        case "resume":
            return paused
        case "pause":
            return not paused and not guarding
        case "promote --full":
            return _tried(levers.promote, story) is None
        case _:
            return True


def _tried(lever: Lever, story: Story) -> levers.Pull | None:
    try:
        return lever(story)
    except Refused:
        return None
