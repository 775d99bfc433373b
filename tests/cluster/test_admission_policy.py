"""Who may do what, as the chart says: the operator, the people of a team, and those who are called at night."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from serinus_local import build, chart
from serinus_local.control_plane import ControlPlane, control_plane
from tests.cluster.admission_server import DATA

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

OPERATOR = "operator"
TEAM = "team"
SRE = "sre"
READER = "reader"
NAMESPACE = "ml"
ROLES = {TEAM: "edit", SRE: "serinus-sre", READER: "view"}


@dataclass(frozen=True)
class People:
    """Runs kubectl as one of the people, or as the operator."""

    plane: ControlPlane
    kubeconfigs: dict[str, Path]

    def kubectl(self, who: str, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl in the team's namespace and give back all that it said."""
        program = str(build.binaries("control-plane") / "kubectl")
        command = [program, f"--kubeconfig={self.kubeconfigs[who]}", f"--namespace={NAMESPACE}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)

    def can(self, who: str, verb: str, resource: str, *more: str) -> bool:
        """Ask the API server's own authorizer."""
        return self.kubectl(who, "auth", "can-i", verb, resource, *more).stdout.strip() == "yes"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """An API server of its own with the chart applied: the policy would bind every other test, too."""
    with control_plane(tmp_path_factory.mktemp("policy")) as plane:
        plane.install_istio_crds()
        chart.apply(plane)
        plane.kubectl("create", "namespace", NAMESPACE)
        kubeconfigs = {OPERATOR: plane.service_account_kubeconfig(chart.NAMESPACE, chart.service_account())}
        for who, role in ROLES.items():
            plane.kubectl("create", "serviceaccount", who, "-n", NAMESPACE)
            subject = f"--serviceaccount={NAMESPACE}:{who}"
            plane.kubectl("create", "rolebinding", who, f"--clusterrole={role}", subject, "-n", NAMESPACE)
            kubeconfigs[who] = plane.service_account_kubeconfig(NAMESPACE, who)
        people = People(plane, kubeconfigs)
        _wait_for_policy(people)
        created = people.kubectl(OPERATOR, *_APPLY, "-f", "-", stdin=_rollout())
        assert created.returncode == 0, created.stderr
        yield people


_APPLY = ("apply", "--server-side", "--field-manager=serinus")


def _rollout(name: str = "fraud-0123456789-1") -> str:
    manifest = yaml.safe_load((DATA / "rollout.yaml").read_text())
    manifest["metadata"] = {"name": name, "namespace": NAMESPACE}
    return yaml.safe_dump(manifest)


def _wait_for_policy(people: People) -> None:
    """Ask until the policy is in force: the API server reads new policies within a second or two."""
    said = ""
    for _ in range(100):
        try:
            people.plane.kubectl("create", "--dry-run=server", "-f", "-", stdin=_rollout("probe"))
        except RuntimeError as refused:
            said = str(refused)
            if "made by the operator" in said:
                return
    pytest.fail(f"the policy never came into force: {said}")


def test_only_the_operator_creates_rollouts(people: People) -> None:
    """A Rollout that even an administrator makes is refused, with the way that leads to one."""
    with pytest.raises(RuntimeError, match="Rollouts are made by the operator: change the ModelDeployment"):
        people.plane.kubectl("create", "-f", "-", stdin=_rollout("fraud-0123456789-2"))


def test_the_operator_writes_status(people: People) -> None:
    """The operator's own account may apply a status."""
    status = _status(weight=10)
    assert people.kubectl(OPERATOR, *_APPLY, "--subresource=status", "-f", "-", stdin=status).returncode == 0


def test_nobody_else_writes_status(people: People) -> None:
    """A status that even an administrator writes is refused, with the levers instead."""
    patch = '{"status": {"weight": 100}}'
    target = ("rollout", "fraud-0123456789-1", "-n", NAMESPACE)
    with pytest.raises(RuntimeError, match="status is the operator's record"):
        people.plane.kubectl("patch", *target, "--subresource=status", "--type=merge", "-p", patch)


def test_the_sre_pulls_levers(people: People) -> None:
    """An SRE pauses a Rollout with kubectl patch."""
    patch = ("--type=merge", "-p", '{"spec": {"paused": true}}')
    assert people.kubectl(SRE, "patch", "rollout", "fraud-0123456789-1", *patch).returncode == 0


ALLOWED = (
    (READER, "list", "rollouts"),
    (READER, "get", "modeldeployments"),
    (READER, "list", "controllerrevisions.apps"),
    (TEAM, "create", "modeldeployments"),
    (TEAM, "delete", "modeldeployments"),
    (TEAM, "get", "rollouts"),
    (SRE, "patch", "rollouts"),
    (SRE, "list", "modeldeployments"),
    (SRE, "list", "controllerrevisions.apps"),
    (OPERATOR, "create", "rollouts"),
    (OPERATOR, "patch", "deployments.apps"),
    (OPERATOR, "list", "configmaps"),
    (OPERATOR, "list", "events"),
    (OPERATOR, "delete", "pods"),
    (OPERATOR, "delete", "virtualservices.networking.istio.io"),
)
DENIED = (
    (READER, "patch", "rollouts"),
    (READER, "create", "modeldeployments"),
    (TEAM, "patch", "rollouts"),
    (TEAM, "create", "rollouts"),
    (TEAM, "patch", "modeldeployments", "--subresource=status"),
    (SRE, "patch", "modeldeployments"),
    (SRE, "patch", "rollouts", "--subresource=status"),
    (OPERATOR, "patch", "modeldeployments"),
    (OPERATOR, "update", "deployments.apps"),
    (OPERATOR, "get", "secrets"),
    (OPERATOR, "create", "pods", "--subresource=exec"),
    (OPERATOR, "create", "leases.coordination.k8s.io"),
    (OPERATOR, "create", "clusterrolebindings"),
)


@pytest.mark.parametrize("what", ALLOWED, ids=["-".join(what) for what in ALLOWED])
def test_may(people: People, what: tuple[str, ...]) -> None:
    """Each may do what the role is for."""
    assert people.can(*what)


@pytest.mark.parametrize("what", DENIED, ids=["-".join(what) for what in DENIED])
def test_may_not(people: People, what: tuple[str, ...]) -> None:
    """Nobody may do more than the role is for."""
    assert not people.can(*what)


def test_the_operator_keeps_its_lease(people: People) -> None:
    """It makes one in its own namespace, and reads and renews no other."""
    place, leases = f"-n{chart.NAMESPACE}", "leases.coordination.k8s.io"
    assert people.can(OPERATOR, "create", leases, place)
    for verb in ("get", "patch"):
        assert people.can(OPERATOR, verb, f"{leases}/serinus", place)
        assert not people.can(OPERATOR, verb, f"{leases}/somebody-elses", place)


def _status(*, weight: int) -> str:
    manifest = yaml.safe_load(_rollout())
    return yaml.safe_dump(
        {**{k: manifest[k] for k in ("apiVersion", "kind", "metadata")}, "status": {"weight": weight}}
    )
