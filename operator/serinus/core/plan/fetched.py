"""What pods tell of their fetch: the termination message of `serinus-fetch`, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from serinus.core.model.artifact import Artifact, read_artifact
from serinus.core.model.kinds import Json

CONTAINER: Final = "serinus-fetch"


def fetched_by(pod: Json) -> Artifact | None:
    """Read what a pod has fetched; None while it has not, and where the message is not one of `serinus-fetch`."""
    return read_artifact(str(_end(pod).get("message") or "")) if _end(pod).get("exitCode") == 0 else None


def first_fetched(pods: Sequence[Json]) -> Artifact | None:
    """Tell what the pod got that was done first: all others of its revision must have the same."""
    done = [(str(_end(pod).get("finishedAt") or ""), pod["metadata"]["name"], pod) for pod in pods]
    told = (fetched_by(pod) for _, _, pod in sorted(done, key=lambda one: one[:2]))
    return next((artifact for artifact in told if artifact is not None), None)


def with_other_bytes(pods: Iterable[Json], digest: str) -> tuple[str, ...]:
    """Name the pods that hold another model than their revision's."""
    told = ((pod["metadata"]["name"], fetched_by(pod)) for pod in pods)
    return tuple(sorted(name for name, artifact in told if artifact is not None and artifact.digest != digest))


def failure_told(container: Json) -> tuple[str, str] | None:
    """Read reason and message of a fetch that failed from the status of its container, now or last."""
    if container.get("name") != CONTAINER:
        return None
    if ((container.get("state") or {}).get("terminated") or {}).get("exitCode") == 0:
        return None  # what it ended with before is over
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        message = (state.get("terminated") or {}).get("message")
        try:
            told = json.loads(message or "")
            return str(told["reason"]), str(told["message"])
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _end(pod: Json) -> Json:
    """Tell how the fetch of a pod ended; empty while it goes on."""
    statuses = pod.get("status", {}).get("initContainerStatuses") or ()
    found: Json = next((one for one in statuses if one.get("name") == CONTAINER), {})
    end: Json = (found.get("state") or {}).get("terminated") or {}
    return end
