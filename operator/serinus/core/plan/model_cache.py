"""Where pods keep the models that they have fetched for those that come later: the volume of `serinus-fetch --cache`.

Only the init container mounts it. The server reads the pod's own copy: which folder of the cache that would be is not
known when the template is rendered, a model that was evicted would be gone under a server that reads it, and what other
pods can write is no longer what was verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serinus.core.model.kinds import Json

CACHE_FOLDER: Final = "/cache"
NODE_KEEPS_FREE: Final = 20
"""In percent of the disk. The kubelet evicts pods at 15 (imagefs.available) and 10 (nodefs.available) by default:
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#hard-eviction-thresholds"""
CACHE_VOLUME: Final = "serinus-cache"


@dataclass(frozen=True)
class CacheVolume:
    """A claim of the model's namespace, or a folder of the node; `size` in bytes is for all models in there.

    On the node each namespace has a `folder` of its own: whoever knows a digest would get the model otherwise, without
    the right to read it where it comes from. It is a `subPath` of the mount, for which the kubelet takes the mode of
    `host_path`; of a volume that begins there it would make a folder that root alone may write to. So nobody else may
    mount the volume (`check_pod_template`).
    """

    size: int
    claim: str = ""
    host_path: str = ""
    folder: str = ""

    def volume(self) -> Json:
        """Render the pod's volume."""
        if self.claim:
            return {"name": CACHE_VOLUME, "persistentVolumeClaim": {"claimName": self.claim}}
        return {"name": CACHE_VOLUME, "hostPath": {"path": self.host_path, "type": "DirectoryOrCreate"}}

    def mount(self) -> Json:
        """Render where `serinus-fetch` finds it."""
        return {"name": CACHE_VOLUME, "mountPath": CACHE_FOLDER, **({"subPath": self.folder} if self.host_path else {})}

    def options(self) -> list[str]:
        """Give the options of `serinus-fetch`; a node's disk is never filled so far that the kubelet evicts pods."""
        kept_free = [f"--cache-keep-free={NODE_KEEPS_FREE}"] if self.host_path else []
        return [f"--cache={CACHE_FOLDER}", f"--cache-size={self.size}", *kept_free]
