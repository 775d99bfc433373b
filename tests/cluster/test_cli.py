"""The commands against a real API server: what is written, and what a person is told when it does not let them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from serinus.api import API_VERSION, crds
from serinus.cli.app import app
from serinus_local.control_plane import ControlPlane
from tests.unit.cli.given import ROLLOUT, deployment, reverted, rollout

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

NAMESPACE = "cli"
VIEWER = "viewer"


@pytest.fixture(scope="module")
def plane(api_server: ControlPlane) -> ControlPlane:
    """The shared API server with our kinds, a namespace of our own, and a person who may only look."""
    for file in sorted((crds.ROOT / "crds").glob("*.yaml")):
        api_server.apply_crds(file.read_text())
    api_server.kubectl("create", "namespace", NAMESPACE)
    api_server.kubectl("create", "serviceaccount", VIEWER, "-n", NAMESPACE)
    rights = ("--verb=get,list", "--resource=modeldeployments.serinus.dev,rollouts.serinus.dev")
    api_server.kubectl("create", "role", VIEWER, *rights, "-n", NAMESPACE)
    api_server.kubectl(
        "create", "rolebinding", VIEWER, f"--role={VIEWER}", f"--serviceaccount={NAMESPACE}:{VIEWER}", "-n", NAMESPACE
    )
    return api_server


@pytest.fixture
def fraud(plane: ControlPlane) -> Iterator[ControlPlane]:
    """A ModelDeployment with a Rollout that stands in a pause."""
    _store(plane, "ModelDeployment", deployment())
    _store(plane, "Rollout", rollout())
    yield plane
    for kind in ("rollouts", "modeldeployments"):
        plane.kubectl("delete", kind, "--all", "-n", NAMESPACE)


def _store(plane: ControlPlane, kind: str, given: dict[str, Any]) -> None:
    """Create an object and then its status, as the operator does."""
    name = given["metadata"]["name"]
    labels = {"serinus.dev/modeldeployment": "fraud"}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": labels}
    plane.apply_yaml(
        yaml.safe_dump({"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": given["spec"]})
    )
    _set_status(plane, kind, name, given["status"])


def _set_status(plane: ControlPlane, kind: str, name: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    plane.kubectl("patch", kind, name, "-n", NAMESPACE, "--subresource=status", "--type=merge", "-p", patch)


def _say(plane: ControlPlane, *words: str, kubeconfig: Path | None = None) -> Result:
    where = ("-n", NAMESPACE, "--kubeconfig", str(kubeconfig or plane.kubeconfig))
    return CliRunner().invoke(app, [*words, *where])


def _stored(plane: ControlPlane, kind: str, name: str) -> dict[str, Any]:
    return dict(json.loads(plane.kubectl("get", kind, name, "-n", NAMESPACE, "-o", "json", "--show-managed-fields")))


@pytest.mark.parametrize(
    ("words", "levers"),
    [
        (["pause"], {"paused": True}),
        (["resume"], {"paused": False}),
        (["abort"], {"abort": True}),
        (["promote"], {"promote": {"throughStep": 2}}),
        (["promote", "--full"], {"promote": {"full": True}}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_lever_is_stored_in_the_rollout_and_nowhere_else(
    fraud: ControlPlane, words: list[str], levers: dict[str, Any]
) -> None:
    """The Rollout's spec carries the lever under a manager of its own; the ModelDeployment is as git left it."""
    before = _stored(fraud, "modeldeployment", "fraud")
    answer = _say(fraud, words[0], "fraud", *words[1:], "--wait", "0")
    assert answer.exit_code == 0, answer.stderr
    after = _stored(fraud, "rollout", ROLLOUT)
    known = {lever: after["spec"][lever] for lever in ("paused", "abort", "promote", "retry") if lever in after["spec"]}
    assert known == levers
    assert "kubectl-serinus" in {entry["manager"] for entry in after["metadata"]["managedFields"]}
    assert _stored(fraud, "modeldeployment", "fraud") == before


def test_one_promotion_replaces_the_other(fraud: ControlPlane) -> None:
    """The API server refuses both at once, so the patch takes the older one out."""
    _say(fraud, "promote", "fraud", "--wait", "0")
    assert _say(fraud, "promote", "fraud", "--full", "--wait", "0").exit_code == 0
    assert _stored(fraud, "rollout", ROLLOUT)["spec"]["promote"] == {"full": True}


def test_a_retry_is_stored(fraud: ControlPlane) -> None:
    """Only of a rollout that has ended badly."""
    rejected = [{**deployment()["status"]["conditions"][1], "status": "True", "reason": "RevisionRejected"}]
    _set_status(fraud, "modeldeployment", "fraud", {"conditions": rejected})
    _set_status(fraud, "rollout", ROLLOUT, reverted()["status"])
    assert _say(fraud, "retry", "fraud", "--wait", "0").exit_code == 0
    assert _stored(fraud, "rollout", ROLLOUT)["spec"]["retry"]


def test_status_tells_what_is_stored(fraud: ControlPlane) -> None:
    """The way from the API server to the screen."""
    told = json.loads(_say(fraud, "status", "fraud", "--json").stdout)
    assert (told["stable"]["version"], told["stable"]["weight"]) == ("41", 95)
    assert (told["canary"]["version"], told["canary"]["weight"]) == ("42", 5)
    assert told["rollout"]["stepText"] == "2/3"


def test_the_kubeconfigs_namespace_is_the_default(fraud: ControlPlane) -> None:
    """As with kubectl: no -n is the context's namespace, and `default` where it has none."""
    answer = CliRunner().invoke(app, ["status", "fraud", "--kubeconfig", str(fraud.kubeconfig)])
    assert (
        answer.stderr
        == f"serinus: no ModelDeployment fraud in namespace default: there is one in {NAMESPACE} (use -n)\n"
    )


def test_who_may_only_look_is_told_which_role_is_missing(fraud: ControlPlane) -> None:
    """A 403 names the role to ask for, and what the API server says."""
    viewer = fraud.service_account_kubeconfig(NAMESPACE, VIEWER)
    assert _say(fraud, "status", "fraud", kubeconfig=viewer).exit_code == 0
    answer = _say(fraud, "abort", "fraud", kubeconfig=viewer)
    assert answer.exit_code == 1
    assert (
        "you may not patch rollouts in namespace cli: ask an administrator to bind ClusterRole serinus-sre"
        in answer.stderr
    )
    assert "abort" not in _stored(fraud, "rollout", ROLLOUT)["spec"]


def test_who_may_not_look_elsewhere_is_told_about_his_own_namespace(fraud: ControlPlane) -> None:
    """The look at other namespaces is forbidden to most people, and that is no error."""
    viewer = fraud.service_account_kubeconfig(NAMESPACE, VIEWER)
    answer = _say(fraud, "status", "frod", kubeconfig=viewer)
    assert answer.stderr == "serinus: no ModelDeployment frod in namespace cli: there are fraud\n"


def test_a_cluster_that_is_not_there_is_one_sentence(fraud: ControlPlane, tmp_path: Path) -> None:
    """No retries in silence and no traceback."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    config = yaml.safe_load(fraud.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(yaml.safe_dump(config))
    answer = _say(fraud, "status", "fraud", kubeconfig=elsewhere)
    assert answer.exit_code == 1
    assert answer.stderr.startswith(f"serinus: cannot reach the cluster at https://127.0.0.1:{port}: ")
    assert answer.stderr.count("\n") == 1


def test_a_kubeconfig_that_is_not_there_is_one_sentence(fraud: ControlPlane, tmp_path: Path) -> None:
    """It says how to name another."""
    answer = _say(fraud, "status", "fraud", kubeconfig=tmp_path / "none")
    assert answer.exit_code == 1
    assert answer.stderr.startswith("serinus: no cluster is configured (")
    assert "--kubeconfig" in answer.stderr


def test_a_context_that_is_not_there_is_one_sentence(fraud: ControlPlane) -> None:
    """A misspelt context is no traceback."""
    answer = _say(fraud, "status", "fraud", "--context", "moon")
    assert answer.exit_code == 1
    assert "moon" in answer.stderr
    assert answer.stderr.count("\n") == 1
