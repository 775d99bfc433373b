"""How each of the servers is started, waited for and ended."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from serinus_local.ports import LOOPBACK
from serinus_local.process import Processes, Program, free_port


@contextmanager
def running(
    name: str, argv: Sequence[str], state: Path, *, ready: Callable[[], bool], env: Mapping[str, str] | None = None
) -> Iterator[Processes]:
    """Run a program until the block ends; raises RuntimeError with the end of its log when it does not get ready."""
    processes = Processes(state)
    processes.start(Program(name, tuple(argv), env or {}))
    try:
        processes.wait(ready, name, what="an answer", limit=100)
        yield processes
    finally:
        processes.stop(name)


def address(host: str = LOOPBACK) -> str:
    """Return `HOST:PORT` with a port that nobody has; the host is this machine's own address."""
    return f"{host}:{free_port()}"


def answers(url: str) -> bool:
    """Tell whether a server answers, with whatever status."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except (OSError, http.client.HTTPException):
        return False
