"""The operator embedded, against a real API server: one world a test, in a namespace of its own."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator

import pytest

from serinus.adapters.logging import configure_logging
from serinus.api import crds
from serinus.app import Operator
from serinus_local.control_plane import ControlPlane
from tests.support.cluster_api import ClusterApi
from tests.support.fake_prometheus import FakePrometheus
from tests.support.lines import Lines
from tests.support.operator import embedded
from tests.support.pods import Kubelets
from tests.support.real_world import RealWorld, real_world

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def plane(api_server: ControlPlane) -> ControlPlane:
    """The shared API server with our kinds."""
    for file in sorted((crds.ROOT / "crds").glob("*.yaml")):
        api_server.apply_crds(file.read_text())
    return api_server


@pytest.fixture
async def log() -> AsyncIterator[Lines]:
    """All log lines, ours and libraries'; a traceback among them fails the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logging("json")
    lines = Lines()
    root.addHandler(lines)
    yield lines
    root.handlers[:], root.level = handlers, level
    assert lines.tracebacks() == []


@pytest.fixture
async def world(plane: ControlPlane, log: Lines) -> AsyncIterator[RealWorld]:
    """A namespace without an operator: pods become ready, metrics can be asked for."""
    namespace = f"world-{next(_NUMBERS)}"
    async with (
        ClusterApi(plane) as api,
        FakePrometheus() as prometheus,
        Kubelets(api) as kubelets,
        real_world(plane, api, prometheus, kubelets, namespace) as made,
    ):
        yield made


@pytest.fixture
async def operator(world: RealWorld) -> AsyncIterator[Operator]:
    """The operator at work in this event loop."""
    async with embedded(world.plane.kubeconfig, world.prometheus.url) as running:
        yield running
