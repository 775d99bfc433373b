"""`serinus undo` against a real API server: what is printed, what is written, and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from serinus.api import API_VERSION
from serinus.app import Operator
from serinus.cli.app import app
from serinus.cli.cluster import Target
from serinus.cli.connection import connect
from serinus.cli.errors import Refused
from serinus.core.model.kinds import CONTROLLER_REVISION, MODEL_DEPLOYMENT
from serinus_local.control_plane import ControlPlane
from tests.support.real_world import RealWorld
from tests.unit.cli.undo_given import name_of, recorded, spec_of

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

NAMESPACE = "undone"
VIEWER = "viewer"
BEFORE = {**spec_of("1"), "runtime": {"image": "triton:1", "nodeSelector": {"example.com/pool": "gpu"}}}
NOW = {**spec_of("2"), "runtime": {"image": "triton:2", "resources": {"requests": {"cpu": 1}}}}


@pytest.fixture(scope="module")
def place(plane: ControlPlane) -> ControlPlane:
    """A namespace of our own, and a person who may only look."""
    # A kind that is new to the API server is asked for again by kubectl, and not by us.
    plane.kubectl("get", "modeldeployments,rollouts", "--all-namespaces")
    plane.kubectl("create", "namespace", NAMESPACE)
    plane.kubectl("create", "serviceaccount", VIEWER, "-n", NAMESPACE)
    kinds = "modeldeployments.serinus.dev,rollouts.serinus.dev,controllerrevisions.apps"
    plane.kubectl("create", "role", VIEWER, "--verb=get,list", f"--resource={kinds}", "-n", NAMESPACE)
    plane.kubectl(
        "create", "rolebinding", VIEWER, f"--role={VIEWER}", f"--serviceaccount={NAMESPACE}:{VIEWER}", "-n", NAMESPACE
    )
    return plane


@pytest.fixture
def fraud(place: ControlPlane) -> Iterator[ControlPlane]:
    """Version 1 served, version 2 does."""
    _commit(place, "git")
    uid = _stored(place)["metadata"]["uid"]
    for number, spec in enumerate((BEFORE, NOW), 1):
        revision = recorded(spec, number)
        revision["metadata"] = {
            key: revision["metadata"][key] for key in ("name", "labels", "annotations", "ownerReferences")
        }
        revision["metadata"]["ownerReferences"][0]["uid"] = uid
        place.kubectl("create", "-n", NAMESPACE, "-f", "-", stdin=yaml.safe_dump(revision))
    yield place
    for kind in ("controllerrevisions", "modeldeployments"):
        place.kubectl("delete", kind, "--all", "-n", NAMESPACE)


def _commit(plane: ControlPlane, manager: str, **spec: Any) -> None:
    metadata = {"name": "fraud", "namespace": NAMESPACE}
    manifest = {"apiVersion": API_VERSION, "kind": "ModelDeployment", "metadata": metadata}
    manifest["spec"] = {**NOW, "scaling": {"minReplicas": 3}, **spec}
    plane.kubectl("apply", "--server-side", f"--field-manager={manager}", "-f", "-", stdin=yaml.safe_dump(manifest))


def _stored(plane: ControlPlane) -> dict[str, Any]:
    words = ("get", "modeldeployment", "fraud", "-n", NAMESPACE, "-o", "json", "--show-managed-fields")
    return dict(json.loads(plane.kubectl(*words)))


def _say(plane: ControlPlane, *words: str, kubeconfig: Path | None = None) -> Result:
    where = ("-n", NAMESPACE, "--kubeconfig", str(kubeconfig or plane.kubeconfig))
    return CliRunner().invoke(app, ["undo", "fraud", *words, *where])


def _managers(plane: ControlPlane, *path: str) -> set[str]:
    """Who owns a field."""
    owners = set()
    for entry in _stored(plane)["metadata"]["managedFields"]:
        place: Any = entry["fieldsV1"]
        for key in path:
            place = place.get(f"f:{key}") if place is not None else None
        if place is not None:
            owners.add(entry["manager"])
    return owners


def test_the_change_is_printed_and_nothing_is_written(fraud: ControlPlane) -> None:
    """A GitOps user carries it into git."""
    before = _stored(fraud)
    answer = _say(fraud)
    assert answer.exit_code == 0, answer.stderr
    assert "-    version: '2'" in answer.stdout
    assert "+    version: '1'" in answer.stdout
    assert _stored(fraud) == before


def test_what_is_applied_is_the_earlier_model_and_runtime_and_nothing_else(fraud: ControlPlane) -> None:
    """Fields that are live stay, and what has not changed keeps its manager."""
    answer = _say(fraud, "--apply", "--wait", "0")
    assert answer.exit_code == 0, answer.stderr
    spec = _stored(fraud)["spec"]
    assert {key: spec[key] for key in BEFORE} == BEFORE
    assert spec["scaling"] == {"minReplicas": 3}
    assert _managers(fraud, "spec", "scaling", "minReplicas") == {"git"}
    assert _managers(fraud, "spec", "model", "version") == {"kubectl-serinus"}


def test_a_revision_is_found_by_its_hash(fraud: ControlPlane) -> None:
    """As a person reads it in `kubectl get`."""
    told = json.loads(_say(fraud, "--to", name_of(BEFORE).removeprefix("fraud-"), "--json").stdout)
    assert (told["to"], told["applied"]) == ({"revision": name_of(BEFORE), "version": "1"}, False)


def test_a_version_that_is_not_kept_lists_those_that_are(fraud: ControlPlane) -> None:
    """With the names of their revisions."""
    answer = _say(fraud, "--to", "7")
    assert answer.exit_code == 1
    assert name_of(BEFORE) in answer.stderr


def test_a_spec_that_somebody_changed_meanwhile_is_left_alone(fraud: ControlPlane) -> None:
    """The change was made for another generation."""
    patch = json.loads(_say(fraud, "--json").stdout)["patch"]
    _commit(fraud, "git", scaling={"minReplicas": 4})
    cluster = connect(Target(namespace=NAMESPACE, kubeconfig=str(fraud.kubeconfig)))
    with pytest.raises(Refused, match="has changed since it was read: run undo again"):
        cluster.patch_model_deployment("fraud", patch)
    assert _stored(fraud)["spec"]["model"]["version"] == "2"


def test_a_status_that_moves_on_meanwhile_is_no_conflict(fraud: ControlPlane) -> None:
    """A rollout in progress writes its status all the time."""
    patch = json.loads(_say(fraud, "--json").stdout)["patch"]
    status = ("--subresource=status", "--type=merge", "-p", '{"status": {"phase": "Serving"}}')
    fraud.kubectl("patch", "modeldeployment", "fraud", "-n", NAMESPACE, *status)
    connect(Target(namespace=NAMESPACE, kubeconfig=str(fraud.kubeconfig))).patch_model_deployment("fraud", patch)
    assert _stored(fraud)["spec"]["model"]["version"] == "1"


def test_what_argo_cd_applies_is_not_written_without_force(fraud: ControlPlane) -> None:
    """Its next sync would put the old version back, and nobody would know why."""
    _commit(fraud, "argocd-controller")
    answer = _say(fraud, "--apply")
    assert answer.exit_code == 1
    assert "not applied: Argo CD applies fraud from git" in answer.stderr
    assert _stored(fraud)["spec"]["model"]["version"] == "2"
    assert _say(fraud, "--apply", "--force", "--wait", "0").exit_code == 0
    assert _stored(fraud)["spec"]["model"]["version"] == "1"


def test_who_may_only_look_is_told_which_role_is_missing(fraud: ControlPlane) -> None:
    """The spec is the user's: it takes the right to edit it."""
    viewer = fraud.service_account_kubeconfig(NAMESPACE, VIEWER)
    assert _say(fraud, kubeconfig=viewer).exit_code == 0
    answer = _say(fraud, "--apply", kubeconfig=viewer)
    assert answer.exit_code == 1
    assert "you may not patch modeldeployments in namespace undone" in answer.stderr
    assert "ClusterRole serinus-edit" in answer.stderr


async def test_an_applied_undo_is_one_guarded_step(world: RealWorld, operator: Operator) -> None:
    """What the operator recorded on a real API server is what it serves again, under the same name."""
    runtime = {"image": "triton:1", "resources": {"requests": {"cpu": 1, "memory": "64Mi"}}}
    for version in ("1", "2"):
        await world.commit(version, runtime=runtime)
        await world.until_phase("Succeeded", version=version)
    await world.until_still()
    first = world.revision("1")
    words = ["undo", "fraud", "--apply", "-n", world.namespace, "--kubeconfig", str(world.plane.kubeconfig)]
    answer = await asyncio.to_thread(CliRunner().invoke, app, words)
    assert answer.exit_code == 0, answer.stderr
    assert "effect: one guarded step" in answer.stdout
    await world.until_phase("Succeeded", version="1")
    assert world.rollout["spec"]["to"]["revision"] == first
    assert world.rollout["spec"]["rollback"] is True
    assert set(world.weights_of("1")[-2:]) == {0, 100}
    assert len(world.mirror.all(CONTROLLER_REVISION)) == 2
    assert world.mirror.get(MODEL_DEPLOYMENT, "fraud") is not None
