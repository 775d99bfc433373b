"""What the tests do to the cluster and see of it: kubectl for what a person would do, a watch for what is awaited."""

from __future__ import annotations

import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from serinus_local import chart
from serinus_local import stack as local
from serinus_local.waiting import now
from tests.e2e.given import NAMESPACE, Manifest

LABEL = "serinus.dev/modeldeployment"
PATIENCE = 120.0
"""Seconds that are waited for what takes a quarter of that where nothing else runs."""
PATHS = {
    "ModelDeployment": ("/apis/serinus.dev/v1alpha1", "modeldeployments"),
    "Rollout": ("/apis/serinus.dev/v1alpha1", "rollouts"),
    "VirtualService": ("/apis/networking.istio.io/v1", "virtualservices"),
    "DestinationRule": ("/apis/networking.istio.io/v1", "destinationrules"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "ControllerRevision": ("/apis/apps/v1", "controllerrevisions"),
    "ConfigMap": ("/api/v1", "configmaps"),
    "Service": ("/api/v1", "services"),
    "Pod": ("/api/v1", "pods"),
    "Event": ("/api/v1", "events"),
}
Objects = dict[str, Manifest]


class Cluster:
    """One namespace of the stack, as a client that knows nothing of the operator's own."""

    def __init__(self, stack: local.Stack) -> None:
        self.stack = stack
        self._trust = ssl.create_default_context(cafile=str(stack.plane.ca_file))

    def kubectl(self, *arguments: str) -> str:
        """Run kubectl in the namespace."""
        return self.stack.kubectl(f"--namespace={NAMESPACE}", *arguments)

    def apply(self, text: str) -> None:
        """Apply manifests as a pipeline would."""
        self.stack.kubectl("apply", "-f", "-", stdin=text)

    def get(self, kind: str, name: str) -> Manifest:
        """Read one object; raises when it is not there."""
        with self._open(f"{_folder(kind)}/{name}") as answer:
            found: Manifest = json.load(answer)
        return found

    def list(self, kind: str, model: str) -> Objects:
        """Read the objects of a model, by name."""
        with self._open(_folder(kind), labelSelector=f"{LABEL}={model}") as answer:
            return {one["metadata"]["name"]: one for one in json.load(answer)["items"]}

    def wait(
        self,
        kind: str,
        model: str,
        check: Callable[[Objects], bool],
        *,
        what: str,
        limit: float = PATIENCE,
        by: str = LABEL,
    ) -> Objects:
        """Watch the objects of a model until `check` holds of them; they are looked at each time one moves."""
        seen: Objects = {}
        deadline = now() + limit
        while True:
            for event in self._events(kind, f"{by}={model}" if by else "", deadline):
                _take(seen, event)
                if check(seen):
                    return seen
                if now() > deadline:
                    break
            if now() > deadline:
                raise TimeoutError(f"waited {limit:.0f} s for {what}; the last that was seen:\n{_shown(seen)}")

    def deployed(self, name: str, check: Callable[[Manifest], bool], *, what: str, limit: float = PATIENCE) -> Manifest:
        """Watch a ModelDeployment's status."""
        seen = self.wait(
            "ModelDeployment",
            name,
            lambda found: name in found and check(found[name].get("status", {})),
            what=what,
            limit=limit,
            by="metadata.name",
        )
        return seen[name]

    def rollout(
        self, name: str, version: int, check: Callable[[Manifest], bool], *, what: str, limit: float = PATIENCE
    ) -> Manifest:
        """Watch the newest Rollout to a version until `check` holds of its status."""
        seen = self.wait(
            "Rollout",
            name,
            lambda found: (one := newest(found, version)) is not None and check(one.get("status", {})),
            what=f"version {version} of {name}: {what}",
            limit=limit,
        )
        one = newest(seen, version)
        assert one is not None
        return one

    def weights(self, name: str) -> dict[str, dict[str, int]]:
        """Read what the live route says: weights by Service, for each of its rules."""
        rules = self.get("VirtualService", name)["spec"]["http"]
        return {
            rule["name"]: {entry["destination"]["host"].partition(".")[0]: entry["weight"] for entry in rule["route"]}
            for rule in rules
        }

    def wipe_status(self, kind: str, name: str) -> None:
        """Remove a status, as the one account that may: the chart's own, by a request of its own."""
        config = self.stack.plane.service_account_kubeconfig(chart.NAMESPACE, chart.service_account())
        token = json.loads(config.read_text())["users"][0]["user"]["token"]
        request = urllib.request.Request(
            f"{self.stack.plane.url}{_folder(kind)}/{name}/status",
            method="PATCH",
            data=b'{"status": null}',
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
        )
        with urllib.request.urlopen(request, timeout=10, context=self._trust) as answer:
            assert "status" not in json.load(answer)

    def _events(self, kind: str, selector: str, deadline: float) -> Iterator[Manifest]:
        """Stream what is there and what moves until the deadline; the API server ends the stream by itself."""
        place = "fieldSelector" if selector.startswith("metadata.") else "labelSelector"
        left = max(1, int(deadline - now()))
        question = {place: selector, "watch": "1", "timeoutSeconds": str(left), "sendInitialEvents": "true"}
        question |= {"resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        with self._open(_folder(kind), timeout=left + 5, **question) as answer:
            for line in answer:
                yield json.loads(line)

    @contextmanager
    def _open(self, path: str, *, timeout: float = 10, **question: str) -> Iterator[Any]:
        plane = self.stack.plane
        url = f"{plane.url}{path}?{urllib.parse.urlencode(question)}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {plane.admin_token}"})
        with urllib.request.urlopen(request, timeout=timeout, context=self._trust) as answer:
            yield answer


def newest(found: Objects, version: int) -> Manifest | None:
    """Pick the last attempt at a version."""
    theirs = [one for one in found.values() if one["spec"]["to"]["version"] == str(version)]
    return max(theirs, key=lambda one: (one["metadata"]["creationTimestamp"], one["spec"]["attempt"]), default=None)


def condition(status: Manifest, kind: str) -> Manifest:
    """Pick a condition out of a status; an empty one when it is not there."""
    return next((one for one in status.get("conditions", ()) if one["type"] == kind), {"status": "", "reason": ""})


def _folder(kind: str) -> str:
    group, plural = PATHS[kind]
    return f"{group}/namespaces/{NAMESPACE}/{plural}"


def _take(seen: Objects, event: Manifest) -> None:
    if event["type"] == "DELETED":
        seen.pop(event["object"]["metadata"]["name"], None)
    elif event["type"] in ("ADDED", "MODIFIED"):
        seen[event["object"]["metadata"]["name"]] = event["object"]


def _shown(seen: Objects) -> str:
    """Say where each object stands, in the words of its status."""
    words = ("phase", "weight", "verdict", "reason", "message", "stable", "conditions")
    told = {name: {key: one.get("status", {}).get(key) for key in words} for name, one in seen.items()}
    return json.dumps(told, indent=1)[-4000:]
