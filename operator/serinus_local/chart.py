"""The operator's chart, installed or rendered by helm itself: its CRDs and its rights are those that users get."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from serinus_local import build
from serinus_local.control_plane import ControlPlane
from serinus_local.manifests import namespace

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "serinus"
NAMESPACE = "serinus-system"
RELEASE = "serinus"
INSTALL_SECONDS = 120
# Where the operator runs as a process of the host: all but what would run it, and the pod of `helm test`.
_LEFT_OUT = {"Deployment", "Service", "Pod"}


def present() -> bool:
    """Tell whether the chart is in this checkout."""
    return (CHART / "Chart.yaml").exists()


def app_version() -> str:
    """Return the version of the operator that the chart installs, and looks for as the image's tag."""
    found = re.search(r"^appVersion: (\S+)", (CHART / "Chart.yaml").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def render(*values: str) -> str:
    """Return what `helm template` makes of the chart with these `--set` values; the image is never pulled."""
    settings = [f"--namespace={NAMESPACE}", "--set=image.repository=serinus", *(f"--set={each}" for each in values)]
    return _helm({}, "template", RELEASE, str(CHART), *settings)


def helm(plane: ControlPlane, *arguments: str) -> str:
    """Run helm as admin in the release's namespace and return what it printed."""
    folders = {name: str(plane.state / "helm") for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    return _helm(folders, *arguments, f"--namespace={NAMESPACE}", f"--kubeconfig={plane.kubeconfig}")


def install(plane: ControlPlane, values: Path) -> None:
    """Install or upgrade the release as docs/operations.md says, and return when its pods are ready."""
    plane.apply_yaml(namespace(NAMESPACE, pod_security="restricted"))
    if is_installed(plane):
        apply_crds(plane)
    helm(
        plane, "upgrade", "--install", RELEASE, str(CHART), f"--values={values}", "--wait",
        f"--timeout={INSTALL_SECONDS}s", "--history-max=5",
        # The rights may be there already, from an operator that ran as a process.
        "--take-ownership", "--force-conflicts",
    )  # fmt: skip


def is_installed(plane: ControlPlane) -> bool:
    """Tell whether helm knows the release."""
    return helm(plane, "list", "--short", f"--filter=^{RELEASE}$").strip() == RELEASE


def apply_crds(plane: ControlPlane) -> None:
    """Apply the CRDs of this checkout, which helm only ever installs."""
    plane.apply_crds("\n---\n".join(file.read_text() for file in sorted((REPOSITORY / "crds").glob("*.yaml"))))


def apply(plane: ControlPlane, *values: str) -> None:
    """Apply the CRDs and the chart's rights, with these `--set` values."""
    apply_crds(plane)
    plane.apply_yaml(namespace(NAMESPACE))
    wanted = [document for document in render(*values).split("\n---\n") if _kind(document) not in _LEFT_OUT | {""}]
    plane.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(wanted))


def service_account() -> str:
    """Return the name of the ServiceAccount that the chart makes for the operator."""
    account = next(document for document in render().split("\n---\n") if _kind(document) == "ServiceAccount")
    found = re.search(r"^  name: \"?([a-z0-9.-]+)", account, re.MULTILINE)
    assert found is not None
    return found[1]


def _helm(environment: Mapping[str, str], *arguments: str) -> str:
    command = [str(build.binaries() / "helm"), *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"helm {arguments[0]} failed: {answer.stderr.strip()}")
    return answer.stdout


def _kind(document: str) -> str:
    found = re.search(r"^kind: (\w+)", document, re.MULTILINE)
    return found[1] if found else ""
