"""The operator's chart, rendered by helm itself: its CRDs and its rights are those that users get."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from serinus_local import build
from serinus_local.control_plane import ControlPlane
from serinus_local.manifests import namespace

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "serinus"
NAMESPACE = "serinus-system"
RELEASE = "serinus"
# The operator itself runs as a process of the host, so all but what would run it.
_LEFT_OUT = {"Deployment", "Service"}


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
    command = [str(build.binaries() / "helm"), "template", RELEASE, str(CHART), *settings]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"helm template failed: {answer.stderr}")
    return answer.stdout


def apply(plane: ControlPlane, *values: str) -> None:
    """Apply the CRDs and the chart's rights, with these `--set` values."""
    plane.apply_crds("\n---\n".join(file.read_text() for file in sorted((REPOSITORY / "crds").glob("*.yaml"))))
    plane.apply_yaml(namespace(NAMESPACE))
    wanted = [document for document in render(*values).split("\n---\n") if _kind(document) not in _LEFT_OUT | {""}]
    plane.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(wanted))


def service_account() -> str:
    """Return the name of the ServiceAccount that the chart makes for the operator."""
    account = next(document for document in render().split("\n---\n") if _kind(document) == "ServiceAccount")
    found = re.search(r"^  name: \"?([a-z0-9.-]+)", account, re.MULTILINE)
    assert found is not None
    return found[1]


def _kind(document: str) -> str:
    found = re.search(r"^kind: (\w+)", document, re.MULTILINE)
    return found[1] if found else ""
