"""Makes pods unready as a hung server does: Triton is stopped where it runs, so the kubelet gets no answer from it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.given import Manifest


@contextmanager
def frozen(pods: Iterable[Manifest]) -> Iterator[None]:
    """Stop the servers of some pods for the time of the block."""
    pids = [pid for pod in pods for pid in _servers(pod["metadata"]["uid"])]
    assert pids, "no server of these pods was found"
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def _servers(uid: str) -> Iterator[int]:
    """Find the tritonserver of a pod of this stack's node by its control group."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"pod{uid}" in (folder / "cgroup").read_text()
            name = (folder / "comm").read_text().strip()
        except OSError:
            continue
        if ours and name == "tritonserver":
            yield int(folder.name)
