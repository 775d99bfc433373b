"""Kubelets and the Deployment controller in one: pods come, become ready when their model is loaded, and go."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from serinus.api.served_model import Probe
from serinus.core.model.kinds import CONFIG_MAP, DEPLOYMENT, POD, Json
from serinus.core.model.timestamps import from_rfc3339, to_rfc3339
from serinus.core.plan.fetched import CONTAINER
from serinus.core.plan.pods import VERSION_ANNOTATION
from tests.support.world.api import InMemoryApi, copied
from tests.support.world.clock import VirtualClock
from tests.support.world.store import ModelStore


@dataclass
class Model:
    """How a model version behaves. One that does not answer hangs: requests go in, and none comes out."""

    error_rate: float = 0.0
    error_code: str = "500"
    answers: bool = True
    seconds_to_answer: float = 0.0
    seconds_to_load: float = 2.0
    loads: bool = True
    answers_probe: bool = True
    refuses: Callable[[Probe], str] = lambda probe: ""


class Kubelet:
    """Makes pods what their Deployments ask for. A pod's address is its version, so that a probe finds its model."""

    def __init__(self, api: InMemoryApi, clock: VirtualClock, models: dict[str, Model]) -> None:
        self._api = api
        self._clock = clock
        self._models = models
        self.unready: set[str] = set()
        self.store = ModelStore()

    def run(self) -> None:
        for deployment in self._api.all(DEPLOYMENT):
            self._pods_of(deployment)
        for pod in self._api.all(POD):
            self._end(pod)

    def _end(self, pod: Json) -> None:
        """Collect a pod whose Deployment is gone, and take it away once its grace is over."""
        metadata = pod["metadata"]
        owners = {deployment["metadata"]["uid"] for deployment in self._api.all(DEPLOYMENT)}
        if metadata["ownerReferences"][0]["uid"] not in owners:
            self._api.end(pod)
        if "deletionTimestamp" in metadata and from_rfc3339(metadata["deletionTimestamp"]) <= self._clock.now():
            self._api.remove(POD, "ml", metadata["name"])

    def _pods_of(self, deployment: Json) -> None:
        metadata, replicas = deployment["metadata"], deployment["spec"]["replicas"]
        version = deployment["spec"]["template"]["metadata"]["annotations"][VERSION_ANNOTATION]
        pods = [pod for pod in self._api.all(POD) if pod["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]]
        for _ in range(len(pods), replicas):
            self._new_pod(metadata, version)
        for pod in pods[replicas:]:
            self._api.remove(POD, "ml", pod["metadata"]["name"])
        for pod in pods[:replicas]:
            if self._fetch(pod, deployment["spec"]["template"]):
                self._ready_pod(pod, version)

    def _new_pod(self, deployment: Json, version: str) -> None:
        names = (f"{deployment['name']}-{number}" for number in itertools.count())
        self._api.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": next(name for name in names if self._api.find(POD, name) is None),
                    "labels": dict(deployment["labels"]),
                    "annotations": {"born": to_rfc3339(self._clock.monotonic())},
                    "ownerReferences": [{"uid": deployment["uid"], "controller": True, "kind": "Deployment"}],
                },
                "status": {"podIP": version, "conditions": [{"type": "Ready", "status": "False"}]},
            }
        )

    def _fetch(self, pod: Json, template: Json) -> bool:
        """Run what fetches the model, a second after the pod has come; True once the pod has it, or needs none."""
        fetcher = next((one for one in template["spec"].get("initContainers", ()) if one["name"] == CONTAINER), None)
        if fetcher is None or any(one["ready"] for one in pod["status"].get("initContainerStatuses", ())):
            return True
        if self._clock.monotonic() - from_rfc3339(pod["metadata"]["annotations"]["born"]) < 1:
            return False
        volume = next(one for one in template["spec"]["volumes"] if "configMap" in one)
        status = self.store.fetch(fetcher, self._api.find(CONFIG_MAP, volume["configMap"]["name"]))
        changed = copied(pod)
        changed["status"]["initContainerStatuses"] = [status]
        self._api.put(changed)
        return bool(status["ready"])

    def _ready_pod(self, pod: Json, version: str) -> None:
        model = self._models[version]
        age = self._clock.monotonic() - from_rfc3339(pod["metadata"]["annotations"]["born"])
        ready = model.loads and age >= model.seconds_to_load and pod["metadata"]["name"] not in self.unready
        status = "True" if ready else "False"
        if pod["status"]["conditions"][0]["status"] != status:
            changed = copied(pod)
            changed["status"]["conditions"][0]["status"] = status
            self._api.put(changed)
