"""The input of a diagnosis: the pods that are not ready, and what was reported about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.plan.fetched import CONTAINER as FETCHER
from serinus.core.plan.model_cache import CACHE_VOLUME
from serinus.core.plan.storage import MODEL_VOLUME
from serinus.core.serving.runtime import ServingRuntime
from serinus.core.serving.runtimes import runtime_in, server_container

_LONGEST = 600
_CONNECTION = re.compile(r"\b(?:read|write|dial) (?:tcp|udp) \S+->\S+: ")
"""Two ends of a connection: the port of ours is another one at each try."""


@dataclass(frozen=True)
class PodSymptoms:
    """A pod that is not ready, and its server's container, which is called `server`."""

    name: str
    status: Json
    events: tuple[Json, ...]
    server: str

    def condition(self, kind: str) -> Json:
        """Find a condition of the pod; empty when it has none of this type."""
        conditions = self.status.get("conditions") or ()
        return next((condition for condition in conditions if condition["type"] == kind), {})

    @property
    def container(self) -> Json:
        """The server's container status; empty until the kubelet has reported one."""
        statuses = self.status.get("containerStatuses") or ()
        return next((status for status in statuses if status["name"] == self.server), {})

    @property
    def init_containers(self) -> tuple[Json, ...]:
        """The statuses of the init containers, in the order in which they run."""
        return tuple(self.status.get("initContainerStatuses") or ())

    @property
    def containers(self) -> tuple[Json, ...]:
        """The statuses of all containers, those that an admission webhook has put beside the server too."""
        return (*self.init_containers, *(self.status.get("containerStatuses") or ()))

    @property
    def set_up(self) -> bool:
        """Whether the pod has got as far as a container: its volumes are mounted and its sandbox stands."""
        states = [container.get("state") or {} for container in self.containers]
        return bool(self.status.get("podIP")) or any(state.keys() & {"running", "terminated"} for state in states)

    @property
    def waiting(self) -> Json:
        """Why a container waits to start, init containers first; empty when none does."""
        statuses = (*self.init_containers, self.container)
        waiting = (status.get("state", {}).get("waiting") for status in statuses)
        return next((state for state in waiting if state), {})

    @property
    def terminated(self) -> Json:
        """How the server ended, now or last; empty when it never did."""
        return last_end(self.container)

    def said(self, *reasons: str) -> tuple[str, ...]:
        """List the messages of the pod's Events with these reasons, oldest first."""
        told = sorted((event for event in self.events if event.get("reason") in reasons), key=_told_at)
        return tuple(str(event.get("message", "")) for event in told)


@dataclass(frozen=True)
class Symptoms:
    """Everything a check may ask."""

    pods: tuple[PodSymptoms, ...]
    deployment: Json
    revision: Revision

    @classmethod
    def of(cls, pods: Sequence[Json], deployment: Json | None, events: Sequence[Json], revision: Revision) -> Symptoms:
        """Keep the pods that should be ready and are not, each with its own Events."""
        unready = [pod for pod in pods if not _ready(pod) and not pod["metadata"].get("deletionTimestamp")]
        server = str(server_container(revision.template)["name"])
        found = tuple(
            PodSymptoms(
                pod["metadata"]["name"], pod.get("status") or {}, _about(pod["metadata"]["name"], events), server
            )
            for pod in unready
        )
        return cls(found, deployment or {}, revision)

    @property
    def container(self) -> Json:
        """The server's container as the revision asks for it."""
        return server_container(self.revision.template)

    @property
    def runtime(self) -> ServingRuntime:
        """The server that the revision runs."""
        return runtime_in(self.revision.template)

    @property
    def replacement(self) -> str:
        """The program that the team starts in the server's place; empty where it is the operator's."""
        command = self.container.get("command") or ()
        return "" if self.runtime.program in command else str(next(iter(command), ""))

    @property
    def title(self) -> str:
        """What people call the server: nobody knows which one a team starts."""
        return "the server" if self.replacement else self.runtime.title

    @property
    def model_claim(self) -> str:
        """The claim that the model is on; empty where it is on none."""
        return self._claim_of(MODEL_VOLUME)

    @property
    def cache_claim(self) -> str:
        """The claim of the administrator's that fetched models are kept on; empty where it is on none."""
        return self._claim_of(CACHE_VOLUME)

    @property
    def credentials_secrets(self) -> tuple[str, ...]:
        """The Secret that the model is fetched with, if there is one."""
        sources = self._asked(FETCHER).get("envFrom") or ()
        return tuple(str(one["secretRef"]["name"]) for one in sources if "secretRef" in one)

    def _claim_of(self, volume: str) -> str:
        volumes = self.revision.template["spec"].get("volumes", ())
        found: Json = next((each for each in volumes if each["name"] == volume), {})
        return str(found.get("persistentVolumeClaim", {}).get("claimName", ""))

    def memory_limit(self, container: str) -> str | None:
        """Tell the memory limit of a container of the revision's own template."""
        limit: str | None = self._asked(container).get("resources", {}).get("limits", {}).get("memory")
        return limit

    def image(self, container: str) -> str:
        """Tell the image of a container of the revision's own template; empty where the container is another's."""
        return str(self._asked(container).get("image", ""))

    def _asked(self, container: str) -> Json:
        pod = self.revision.template["spec"]
        found = (one for one in (*pod["containers"], *pod.get("initContainers", ())) if one["name"] == container)
        return next(found, {})


def last_end(container: Json) -> Json:
    """Tell how a container ended, now or last; empty when it never did."""
    now, last = container.get("state") or {}, container.get("lastState") or {}
    found: Json = now.get("terminated") or last.get("terminated") or {}
    return found


def _told_at(event: Json) -> str:
    """Tell when an Event was seen last; RFC 3339 in one time zone sorts as text."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")


def one_line(message: str) -> str:
    """Make one line of what Kubernetes or a server says, short enough for a condition and the same at each try."""
    line = _CONNECTION.sub("", " ".join(message.split())).rstrip("., ")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


def _ready(pod: Json) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _about(pod: str, events: Sequence[Json]) -> tuple[Json, ...]:
    return tuple(event for event in events if event.get("involvedObject", {}).get("name", pod) == pod)
