"""What goes wrong around the operator against a real API server: a line or a condition, never a traceback.

The fixture `log` fails each of these tests on a traceback.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serinus.adapters.kubernetes.informer import Informer
from serinus.app import Operator
from serinus.core.model.kinds import DEPLOYMENT, DESTINATION_RULE, VIRTUAL_SERVICE, Json
from serinus_local.control_plane import ControlPlane
from tests.support.lines import Lines
from tests.support.operator import OperatorProcess, embedded, writes_made
from tests.support.real_world import LASTING, RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]


async def trying(world: RealWorld) -> None:
    """Let version 1 serve and version 2 stay at ten per cent."""
    await world.commit("1", steps=LASTING)
    await world.until_weight(100, version="1")
    await world.commit("2", steps=LASTING)
    await world.until_weight(10, version="2")


async def test_an_api_server_that_crashes_delays_a_revert_and_no_more(world: RealWorld, operator: Operator) -> None:
    """Killed in mid-rollout; the canary turns bad meanwhile, and is taken back once the API server is there again."""
    await trying(world)
    await asyncio.to_thread(world.plane.kill_api_server)
    world.prometheus.spoil(world.revision("2"))
    await asyncio.to_thread(world.plane.start_api_server)
    await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1", limit=60)
    await world.until_phase("Reverted")


async def test_a_revert_does_not_wait_for_a_watch_that_is_dead(
    world: RealWorld, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody edits the route unheard: what we know of it is refused, so it is read and written in the same pass."""
    await trying(world)
    monkeypatch.setattr(Informer, "_take", _deaf(Informer._take))
    edit = {"metadata": {"annotations": {"seen-by": "somebody"}}}
    edited = await world.api.patch(VIRTUAL_SERVICE, world.namespace, world.name, edit)
    world.prometheus.spoil(world.revision("2"))
    await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1")
    await world.until_phase("Reverted")
    route = world.mirror.get(VIRTUAL_SERVICE, world.name)
    assert route is not None
    assert route["metadata"]["uid"] == edited["metadata"]["uid"]


async def test_a_missing_right_is_a_line_in_the_log(world: RealWorld, log: Lines) -> None:
    """It names what was refused; what may be written is written, and once the right is given the rest follows."""
    kubeconfig = _without_istio(world.plane, world.namespace)
    async with embedded(kubeconfig, world.prometheus.url):
        await world.commit("1")
        await log.until_said("destinationrules")
        assert "Forbidden" in log.said("destinationrules")[0]
        await world.until(lambda: world.mirror.all(DEPLOYMENT), "the Deployment")
        assert world.mirror.all(DESTINATION_RULE) == []
        _bind(world.plane, world.namespace, "cluster-admin")
        await world.until_weight(100, version="1")


async def test_a_spec_that_the_api_server_refuses_is_a_line_in_the_log(
    world: RealWorld, operator: Operator, log: Lines
) -> None:
    """A Deployment that is invalid: what serves goes on, and the line says which field it is."""
    await world.commit("1")
    await world.until_weight(100, version="1")
    resources = {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}
    await world.commit("2", runtime={"image": "triton:1", "resources": resources})
    await log.until_said("must be less than or equal to cpu limit")
    assert "Invalid" in log.said("must be less than or equal to cpu limit")[0]
    assert world.routed["1"] == 100
    await world.commit("3")
    await world.until_phase("Succeeded", version="3")


async def test_one_of_two_writes_and_the_other_follows(world: RealWorld) -> None:
    """The second operator writes nothing while the first holds the lease, and takes over when that one is killed."""
    election = {"enabled": True, "namespace": world.namespace}
    names = [f"{world.namespace}-{place}" for place in ("first", "second")]
    first, second = (
        OperatorProcess(world.plane, name, world.prometheus.url, leaderElection=election) for name in names
    )
    try:
        await first.start()
        await first.until_page("/readyz")
        await second.start()
        await trying(world)
        assert await writes_made(first.url) > 0
        assert await writes_made(second.url) == 0
        await first.kill()
        world.prometheus.spoil(world.revision("2"))
        await world.until(lambda: world.routed == {"1": 100}, "all traffic on version 1", limit=60)
        assert await writes_made(second.url) > 0
    finally:
        await first.stop()
        await second.stop()
    assert not [file for file in (first.log, second.log) if "Traceback" in file.read_text()]


def _deaf(take: Callable[[Informer, str, Json], None]) -> Callable[[Informer, str, Json], None]:
    """Hear nothing of VirtualServices any more, while the stream stays open."""

    def heard(informer: Informer, event: str, manifest: Json) -> None:
        if informer.watched.kind != VIRTUAL_SERVICE:
            take(informer, event, manifest)

    return heard


def _without_istio(plane: ControlPlane, namespace: str) -> Path:
    """Give the kubeconfig of a ServiceAccount that may do all but write Istio's objects."""
    groups = ["", "apps", "serinus.dev", "coordination.k8s.io"]
    rules = [
        {"apiGroups": groups, "resources": ["*"], "verbs": ["*"]},
        {"apiGroups": ["networking.istio.io"], "resources": ["*"], "verbs": ["get", "list", "watch"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": rules}
    plane.apply_yaml(json.dumps(role | {"metadata": {"name": f"{namespace}-no-istio"}}))
    plane.kubectl("create", "serviceaccount", "limited", "-n", namespace)
    _bind(plane, namespace, f"{namespace}-no-istio")
    return plane.service_account_kubeconfig(namespace, "limited")


def _bind(plane: ControlPlane, namespace: str, role: str) -> None:
    account = f"--serviceaccount={namespace}:limited"
    plane.kubectl("create", "clusterrolebinding", f"{namespace}-{role}", f"--clusterrole={role}", account)
