"""What the contract tests of the Kubernetes adapters share: a namespace of their own and a client."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from serinus.adapters.clock import SystemClock
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.endpoint import find_endpoint
from serinus_local.control_plane import ControlPlane


@pytest.fixture(scope="session")
def plane(api_server: ControlPlane) -> ControlPlane:
    """Give the shared API server, with our own kinds."""
    for crd in sorted((Path(__file__).parents[2] / "crds").glob("*.yaml")):
        api_server.apply_crds(crd.read_text())
    return api_server


@pytest.fixture
def namespace(plane: ControlPlane) -> str:
    """Make a namespace that no other test uses."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    plane.kubectl("create", "namespace", name)
    return name


@pytest.fixture
async def connection(plane: ControlPlane) -> AsyncIterator[Connection]:
    endpoint = await find_endpoint(str(plane.kubeconfig))
    async with Connection(endpoint, SystemClock()) as connection:
        yield connection


@pytest.fixture
def cluster(connection: Connection) -> KubernetesCluster:
    return KubernetesCluster(connection, SystemClock())
