"""A real API server as a judge of manifests: strict about unknown fields, asked with dry runs that store nothing."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from serinus.api import crds
from serinus_local import build, chart
from serinus_local.control_plane import ControlPlane
from serinus_local.waiting import until

DATA = Path(__file__).parent / "admission"
_PLURALS = {"ModelDeployment": "modeldeployments", "Rollout": "rollouts"}
_SUBJECT = re.compile(r'^\w+\.serinus\.dev "[^"]*" is invalid: ')
_UNCHECKED = ", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid;"


class AdmissionServer:
    """Says of a manifest what the API server says of it."""

    def __init__(self, plane: ControlPlane) -> None:
        self._url = plane.url
        self._token = plane.admin_token
        self.warned: list[str] = []
        self._trust = ssl.create_default_context(cafile=str(plane.ca_file))

    def refusal(self, manifest: dict[str, Any], *, method: str = "POST") -> str | None:
        """Send a manifest as a dry run; None when it is accepted."""
        answer = self._send(manifest, method, dry_run=True)
        return None if answer.get("kind") != "Status" else _sentence(str(answer["message"]))

    def warnings(self, manifest: dict[str, Any]) -> list[str]:
        """Send a manifest as a dry run; what the API server warns of, although it accepts it."""
        assert self.refusal(manifest) is None
        return self.warned

    def store(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create an object for real."""
        answer = self._send(manifest, "POST", dry_run=False)
        assert answer.get("kind") == manifest["kind"], answer
        return answer

    def remove(self, manifest: dict[str, Any]) -> None:
        """Delete an object for real."""
        self._send(manifest, "DELETE", dry_run=False)

    def _send(self, manifest: dict[str, Any], method: str, *, dry_run: bool) -> dict[str, Any]:
        name = f"/{manifest['metadata']['name']}" if method != "POST" else ""
        path = f"/apis/{manifest['apiVersion']}/namespaces/default/{_PLURALS[manifest['kind']]}{name}"
        request = urllib.request.Request(
            f"{self._url}{path}?fieldValidation=Strict" + ("&dryRun=All" if dry_run else ""),
            data=None if method == "DELETE" else json.dumps(manifest).encode(),
            method=method,
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=30) as answer:
                self.warned = answer.headers.get_all("Warning") or []
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            return dict(json.load(error))


def hint(name: str) -> str:
    """Render one of the chart's policies that warn, and refuse nothing."""
    told = ["--set", "image.repository=serinus", "--show-only", "templates/admission.yaml"]
    helm = [str(build.binaries() / "helm"), "template", chart.RELEASE, str(chart.CHART), *told]
    rendered = yaml.safe_load_all(subprocess.run(helm, capture_output=True, text=True, check=True).stdout)
    return str(yaml.safe_dump_all([one for one in rendered if one["metadata"]["name"].endswith(f"-{name}")]))


@contextmanager
def hinting(plane: ControlPlane, name: str, wrong: dict[str, Any]) -> Iterator[AdmissionServer]:
    """Give an API server with our kinds and one of the hints alone, once that warns of what is `wrong`."""
    for path in sorted((crds.ROOT / "crds").glob("*.yaml")):
        plane.apply_crds(path.read_text())
    text = hint(name)
    plane.apply_yaml(text)
    made = AdmissionServer(plane)
    until(lambda: bool(made.warnings(wrong)), what="the policy to be in force", limit=60)
    yield made
    plane.kubectl("delete", "-f", "-", stdin=text)


def manifest(name: str) -> dict[str, Any]:
    """Read a manifest of the table."""
    return dict(yaml.safe_load((DATA / name).read_text()))


def changed(base: dict[str, Any], path: str, *value: object) -> dict[str, Any]:
    """Change one field of a copy: set it to the value, or take it away where none is given."""
    copy: dict[str, Any] = json.loads(json.dumps(base))
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    node: Any = copy
    for part in parents:
        node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
    if value:
        node[last] = value[0]
    else:
        del node[last]
    return copy


def _sentence(message: str) -> str:
    """Leave out what every refusal says: the object's name, and that other rules were not looked at."""
    said = _SUBJECT.sub("", message).strip()
    if said.startswith("[") and said.endswith("]"):
        said = said[1:-1].split(_UNCHECKED)[0]
    return said.removeprefix("<nil>: Invalid value: ")
