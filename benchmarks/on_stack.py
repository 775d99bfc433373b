"""The local stack for the time of a block: one that is up already stays up, and Ctrl-C or SIGTERM leaves nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serinus_local import stack
from serinus_local.demo.cluster import is_up
from serinus_local.process import end_on_sigterm


@contextmanager
def running_stack(state: Path) -> Iterator[stack.Stack]:
    """Bring the stack up, and take it down again unless it was up."""
    end_on_sigterm()
    was_up = is_up(state)
    try:
        yield stack.up(state)
    finally:
        if not was_up:
            stack.down(state)


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Take what each benchmark on the stack takes."""
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    arguments.add_argument("--state", type=Path, default=stack.default_state(), help="the state folder of the stack")
