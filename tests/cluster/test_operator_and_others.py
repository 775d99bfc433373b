"""Others at our objects, on a real API server: its own autoscaler, hands that scale, and an admission policy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
import yaml

from serinus.app import Operator
from serinus.core.model.kinds import DEPLOYMENT, EVENT, HORIZONTAL_POD_AUTOSCALER, Json
from tests.support.operator import embedded, requests_made
from tests.support.real_world import RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

MIRRORED = "mirror.example.com/triton:1"
TRIES = 100


async def serving(world: RealWorld) -> str:
    """Let version 1 serve with two pods; give the name of its revision."""
    await world.commit("1")
    await world.until_weight(100, version="1")
    await world.until_still()
    return world.revision("1")


def replicas(world: RealWorld, name: str) -> int | None:
    found = world.mirror.get(DEPLOYMENT, name)
    return None if found is None else int(found["spec"]["replicas"])


def owners(world: RealWorld, name: str) -> set[str]:
    """Who owns the number of pods, as the API server has it."""
    found = world.mirror.get(DEPLOYMENT, name) or {"metadata": {}}
    entries = found["metadata"].get("managedFields") or ()
    return {entry["manager"] for entry in entries if "f:replicas" in entry["fieldsV1"].get("f:spec", {})}


def autoscaler(world: RealWorld, name: str, replicas: int) -> Json:
    """One that needs no metrics: it has no choice."""
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    return {
        "apiVersion": HORIZONTAL_POD_AUTOSCALER.api_version,
        "kind": HORIZONTAL_POD_AUTOSCALER.name,
        "metadata": {"name": "theirs", "namespace": world.namespace},
        "spec": {"scaleTargetRef": target, "minReplicas": replicas, "maxReplicas": replicas},
    }


async def test_an_autoscaler_owns_the_number_until_it_is_deleted(world: RealWorld, operator: Operator) -> None:
    """Through a write of our own as well; its entry in managedFields outlives it, and owns nothing."""
    name = await serving(world)
    await world.api.create(autoscaler(world, name, 1))
    await world.until(lambda: replicas(world, name) == 1, "the autoscaler's number", limit=60)
    template = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 99}}}}
    await world.api.patch(DEPLOYMENT, world.namespace, name, template)
    await world.until(lambda: _grace(world, name) != 99, "our template again")
    await world.until_still()
    assert replicas(world, name) == 1
    assert owners(world, name) == {"kube-controller-manager"}
    await world.api.delete(HORIZONTAL_POD_AUTOSCALER, world.namespace, "theirs")
    await world.until(lambda: replicas(world, name) == 2, "our number again")


async def test_an_autoscaler_that_has_not_written_yet_finds_the_number_as_it_was(
    world: RealWorld, operator: Operator
) -> None:
    """Nobody but us owns it: left out of our next apply, the API server would make it 1."""
    name = await serving(world)
    await world.api.create(autoscaler(world, name, 2))
    template = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 99}}}}
    await world.api.patch(DEPLOYMENT, world.namespace, name, template)
    await world.until(lambda: _grace(world, name) != 99, "our template again")
    await world.until_still()
    numbers = {
        one.manifest["spec"]["replicas"] for one in world.mirror.history if one.name == name and one.kind == DEPLOYMENT
    }
    assert numbers == {2}


@pytest.mark.parametrize("manager", ["kubectl", "k9s", "argocd-server", "node-fetch"])
async def test_a_number_that_a_hand_has_scaled_is_put_right(world: RealWorld, operator: Operator, manager: str) -> None:
    """Each writes what an autoscaler writes, and no autoscaler comes back to look after it."""
    name = await serving(world)
    await world.api.patch(DEPLOYMENT, world.namespace, name, {"spec": {"replicas": 5}}, "scale", manager=manager)
    await world.until(lambda: replicas(world, name) == 5, "the hand's number")
    await world.until(lambda: replicas(world, name) == 2, "our number again")


@pytest.fixture
def policy(world: RealWorld) -> Iterator[None]:
    """A policy of the administrator's that takes images from a mirror."""
    kinds = "mutatingadmissionpolicy,mutatingadmissionpolicybinding"
    for manifest in _policy(world.namespace):
        world.plane.apply_yaml(yaml.safe_dump(manifest))
    yield
    world.plane.kubectl("delete", kinds, world.namespace)


async def test_what_a_policy_changes_is_left(world: RealWorld, policy: None) -> None:
    """One apply a process and no more, no Event that blames somebody, and one condition that names the field."""
    await _until_it_acts(world)
    versions = set()
    for process in (1, 2):
        async with embedded(world.plane.kubeconfig, world.prometheus.url) as operator:
            name = await serving(world)
            await world.until(
                lambda: world.condition("Degraded").get("reason") == "ChangedByAdmission", "it to be said"
            )
            await world.until_still()
            made = await requests_made(operator.url, "apply")
            versions.add(world.mirror.versions()["Deployment", name])
            assert await world.mirror.written_within(5.0) == []
            assert await requests_made(operator.url, "apply") == made
            assert process == 1 or made <= 1
    assert f"Deployment {name}: spec.template.spec.containers[triton].image" in world.condition("Degraded")["message"]
    assert world.condition("Degraded")["status"] == "False"
    assert len(versions) == 1
    events = await world.api.list(EVENT, world.namespace)
    assert [one["message"] for one in events["items"] if one["reason"] == "DriftCorrected"] == []


async def test_a_hand_beside_a_policy_is_put_right(world: RealWorld, policy: None, operator: Operator) -> None:
    """Once, and as far as the policy lets it."""
    await _until_it_acts(world)
    name = await serving(world)
    template = {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 99}}}}
    await world.api.patch(DEPLOYMENT, world.namespace, name, template)
    await world.until(lambda: _grace(world, name) != 99, "our template again")
    await world.until_still()
    assert await world.mirror.written_within(2.0) == []
    assert (world.mirror.get(DEPLOYMENT, name) or {})["spec"]["template"]["spec"]["containers"][0]["image"] == MIRRORED


def _grace(world: RealWorld, name: str) -> object:
    found = world.mirror.get(DEPLOYMENT, name) or {"spec": {"template": {"spec": {}}}}
    return found["spec"]["template"]["spec"].get("terminationGracePeriodSeconds")


def _policy(namespace: str) -> tuple[Json, Json]:
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    path = "/spec/template/spec/containers/0/image"
    patch = f'[JSONPatch{{op: "replace", path: "{path}", value: "{MIRRORED}"}}]'
    group = "admissionregistration.k8s.io/v1"
    return (
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicy",
            "metadata": {"name": namespace},
            "spec": {
                "matchConstraints": {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                    "resourceRules": [rule],
                },
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": patch}}],
            },
        },
        {
            "apiVersion": group,
            "kind": "MutatingAdmissionPolicyBinding",
            "metadata": {"name": namespace},
            "spec": {"policyName": namespace},
        },
    )


async def _until_it_acts(world: RealWorld) -> None:
    """Ask the API server what it would make of a Deployment; it takes a policy in when it hears of it."""
    ask = ("create", "deployment", "asked", "--image=a", "-n", world.namespace, "--dry-run=server", "-o", "yaml")
    for _ in range(TRIES):
        if MIRRORED in await asyncio.to_thread(world.plane.kubectl, *ask):
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the policy does not act")
