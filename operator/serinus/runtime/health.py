"""What the API server's own words say of an object: whether it stays, and whether a pod can answer."""

from __future__ import annotations

from serinus.core.model.kinds import Json


def is_ready(pod: Json) -> bool:
    """Whether the kubelet calls a pod ready and nobody has asked it to go."""
    conditions = pod.get("status", {}).get("conditions") or ()
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and is_live(pod)


def is_live(manifest: Json) -> bool:
    """Whether nobody has asked it to go."""
    return not manifest["metadata"].get("deletionTimestamp")
