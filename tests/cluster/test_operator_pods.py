"""Pods that are the team's too, against a real API server: what is asked for is made, and what is not taken is said."""

from __future__ import annotations

import pytest

from serinus.app import Operator
from serinus.core.model.kinds import Json
from tests.support.cluster_api import NAMESPACE
from tests.support.real_world import RealWorld

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

CONFINED: Json = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
SIDECAR: Json = {
    "name": "features",
    "image": "features:3",
    "ports": [{"containerPort": 9000}, {"containerPort": 9001, "hostPort": 0}],
    "tty": False,
    "livenessProbe": {"tcpSocket": {"port": 9000}, "initialDelaySeconds": 0, "timeoutSeconds": 0, "periodSeconds": 0},
    "env": [{"name": "MOST", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": 1}}}],
    "resources": {"limits": {"cpu": 0.5, "memory": "1024Mi"}},
    "securityContext": CONFINED,
    "volumeMounts": [{"name": "model", "mountPath": "/model", "readOnly": True}],
}
TEAMS: Json = {
    "labels": {"team": "risk"},
    "annotations": {"example.com/owner": "risk"},
    "args": ["--log-verbose=1"],
    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}}],
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch", "readOnly": False}],
    "containers": [SIDECAR],
    "initContainers": [{"name": "warm", "image": "warm:1", "restartPolicy": "Always", "securityContext": CONFINED}],
    "serviceAccountName": "fraud-reader",
    "affinity": {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 1,
                    "podAffinityTerm": {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {"matchLabels": {"team": "risk"}},
                    },
                }
            ]
        }
    },
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "securityContext": {"fsGroup": 2000},
    "containerSecurityContext": {"readOnlyRootFilesystem": False},
}


async def committed(world: RealWorld, **wish: object) -> None:
    await world.commit("1", runtime={"image": "triton:1", "podTemplate": wish})


async def test_what_a_team_asks_for_is_in_its_pods(world: RealWorld, operator: Operator) -> None:
    """In a namespace with restricted Pod Security; no field comes back in another form, to be corrected for ever."""
    await world.api.patch(NAMESPACE, "", world.namespace, _enforced("restricted"))
    world.plane.kubectl("create", "serviceaccount", "fraud-reader", "-n", world.namespace)
    await committed(world, **TEAMS)
    await world.until_weight(100, version="1")
    await world.until_still()
    pod = world.pods("1")[0]
    assert [each["name"] for each in pod["spec"]["containers"]] == ["triton", "features"]
    assert pod["spec"]["initContainers"][0]["restartPolicy"] == "Always"
    assert pod["spec"]["serviceAccountName"] == "fraud-reader"
    assert pod["metadata"]["labels"]["team"] == "risk"
    assert pod["spec"]["containers"][0]["args"][-1] == "--log-verbose=1"
    assert pod["spec"]["securityContext"]["fsGroup"] == 2000
    assert world.condition("Degraded")["reason"] == "AllReady"  # and no admission policy is blamed


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        pytest.param(
            {"containers": [{"name": "a", "image": "a", "imagee": "b"}]},
            "imagee: field not declared",
            id="no such field",
        ),
        pytest.param({"affinity": {"nodeAffinity": "gpu"}}, "nodeAffinity", id="another type"),
        pytest.param({"containers": [{"name": "a"}]}, "containers[1].image: Required value", id="a field is missing"),
        pytest.param(
            {"volumes": [{"name": "v", "nothing": {}}]}, "nothing: field not declared", id="no such kind of volume"
        ),
    ],
)
async def test_what_the_api_server_does_not_take_is_told_in_its_words(
    world: RealWorld, operator: Operator, wish: Json, says: str
) -> None:
    await committed(world, **wish)
    await world.until(lambda: world.condition("Ready").get("reason") == "DeploymentRefused", "the refusal is told")
    assert says in world.condition("Ready")["message"]


async def test_what_a_namespace_forbids_is_told_in_its_words(world: RealWorld, operator: Operator) -> None:
    """A sidecar that says nothing of its rights is taken, and its pods are not."""
    await world.api.patch(NAMESPACE, "", world.namespace, _enforced("restricted"))
    await committed(world, containers=[{"name": "features", "image": "features:3"}])
    await world.until(lambda: "violates PodSecurity" in world.condition("Ready").get("message", ""), "it is told")
    assert "correct spec.runtime.podTemplate" in world.condition("Ready")["message"]


async def test_what_would_break_ours_makes_no_revision(world: RealWorld, operator: Operator) -> None:
    """What admission cannot see is a condition, and the old version serves on."""
    await world.commit("1")
    await world.until_weight(100, version="1")
    await world.commit("2", runtime={"image": "triton:1", "podTemplate": {"args": ["--http-port=9"]}})
    await world.until(lambda: world.condition("Stalled").get("reason") == "InvalidSpec", "the refusal is told")
    assert "podTemplate.args: --http-port=9 sets --http-port" in world.condition("Stalled")["message"]
    assert world.routed == {"1": 100}


def _enforced(level: str) -> Json:
    return {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
