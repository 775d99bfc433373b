"""Fixtures over the local stack: an API server for contract and cluster tests, the whole stack for end-to-end ones.

A machine that cannot run a node skips with the reason; in CI that is a failure, so nothing is lost in silence.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from serinus_local import stack as local
from serinus_local import system
from serinus_local.control_plane import ControlPlane, control_plane
from serinus_local.prometheus import LocalPrometheus


@pytest.fixture(scope="session")
def api_server() -> Iterator[ControlPlane]:
    """Give a real Kubernetes API with its controllers and Istio's kinds, shared by the whole session."""
    state = Path(tempfile.mkdtemp(prefix="serinus-api-"))
    with control_plane(state) as plane:
        plane.install_istio_crds()
        yield plane
    shutil.rmtree(state)


@pytest.fixture
def start_prometheus(tmp_path: Path) -> Iterator[Callable[[Mapping[str, object]], LocalPrometheus]]:
    """Give a function that starts a real Prometheus with a configuration; it ends with the test."""
    server = LocalPrometheus(tmp_path / "prometheus")

    def start(config: Mapping[str, object]) -> LocalPrometheus:
        server.start(config)
        return server

    yield start
    server.stop()


@pytest.fixture(scope="session")
def stack() -> Iterator[local.Stack]:
    """Give the whole stack with the operator as a pod, or use the one that `make up` has brought up.

    Several processes of one run share it: the first brings it up, and the last takes it down.
    """
    require_node()
    state = Path(os.environ.get("SERINUS_STACK") or local.default_state())
    with users_of(state) as users:
        was_up = state.exists()
        running = local.up(state)
        if not users.read_text():
            # Also of a stack that was up: a process that runs may be of yesterday's code.
            running.operator.let_fetch()
        if not was_up:
            users.with_suffix(".ours").touch()
        users.write_text(f"{users.read_text()}.")
    yield running
    with users_of(state) as users:
        users.write_text(users.read_text()[1:])
        ours = users.with_suffix(".ours")
        if not users.read_text():
            users.unlink()
            if ours.exists():
                ours.unlink()
                local.down(state)


@contextmanager
def users_of(state: Path) -> Iterator[Path]:
    """Hold the file that has a letter for each process of this run that uses a stack."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    users = Path(tempfile.gettempdir()) / f"serinus-stack-{state.name}-{run[:12]}"
    with users.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        users.touch()
        yield users


def require_node() -> None:
    """Skip where the machine cannot run a node; fail there in CI."""
    reason = system.unfit()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"CI must be able to run the node: {reason}")
    if reason:
        pytest.skip(reason)
