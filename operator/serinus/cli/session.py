"""One run of a command: which cluster, which ModelDeployment, and how errors are reported."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import typer

from serinus.adapters.clock import SystemClock
from serinus.api.parsing import parse_rollout
from serinus.cli.advice import Typed
from serinus.cli.cluster import Connect, Target, UserCluster
from serinus.cli.errors import Refused
from serinus.cli.levers import Pull
from serinus.cli.story import Story, read_story
from serinus.core.model.errors import SerinusError

LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class CommandWorld:
    """What a command needs from outside; tests pass doubles."""

    connect: Connect
    now: Callable[[], float] = SystemClock().now
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Session:
    """A command that works on one ModelDeployment."""

    name: str
    target: Target
    world: CommandWorld
    cluster: UserCluster = field(repr=False)

    @property
    def typed(self) -> Typed:
        """How the person calls us: as a program, or as a plugin of kubectl."""
        program = Path(sys.argv[0]).name
        return Typed("kubectl serinus" if program.startswith("kubectl-") else "serinus", self.target.flags())

    def story(self) -> Story:
        return read_story(self.cluster, self.name)


def begin(ctx: typer.Context, name: str, target: Target) -> Session:
    """Connect."""
    world = world_of(ctx)
    return Session(name, target, world, world.connect(target))


def world_of(ctx: typer.Context) -> CommandWorld:
    """Give the world that a command works in; `ctx.obj` is a test's, if there is one."""
    return ctx.obj if isinstance(ctx.obj, CommandWorld) else CommandWorld(_connect)


def pull(session: Session, choose: Callable[[Story], Pull], wait: float) -> None:
    """Pull a lever, and say whether the operator has answered."""
    chosen = choose(session.story())
    session.cluster.patch_rollout(chosen.rollout, chosen.patch)
    typer.echo(f"{chosen.rollout}: {chosen.said}")
    if chosen.hint:
        typer.echo(f"note: {chosen.hint}")
    if wait > 0 and not acknowledged(session.cluster, session.name, chosen, limit=wait, sleep=session.world.sleep):
        raise Refused(
            f"the field is set, but the operator did not acknowledge it within {wait:g}s: is it running? "
            "It will act on it once it is"
        )


def acknowledged(cluster: UserCluster, name: str, pull: Pull, *, limit: float, sleep: Callable[[float], None]) -> bool:
    """Look until the Rollout's status acknowledges the lever, or the limit (seconds) is over."""
    for look in range(max(1, round(limit / LOOK_SECONDS))):
        if look:
            sleep(LOOK_SECONDS)
        rollouts = (parse_rollout(rollout) for rollout in cluster.rollouts(name))
        rollout = next((one for one in rollouts if one.name == pull.rollout), None)
        if rollout is not None and pull.acknowledged(rollout.status.acknowledged):
            return True
    return False


@contextmanager
def told() -> Iterator[None]:
    """Turn what goes wrong into one sentence and exit code 1."""
    try:
        yield
    except SerinusError as error:
        typer.echo(f"serinus: {error}", err=True)
        raise typer.Exit(1) from error


def _connect(target: Target) -> UserCluster:
    from serinus.cli.connection import connect

    return connect(target)
