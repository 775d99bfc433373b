"""Makes objects whose names should be free: one request where they are, a look at whoever is there where not.

What the cache does not hold may exist all the same: somebody else's without our label, or our own that the watch has
not told of. The API server knows, and is asked by the write itself.
"""

from __future__ import annotations

from serinus.core.model.errors import Conflict
from serinus.core.model.kinds import Json, kind_of
from serinus.runtime.ports import Cluster


async def introduce(cluster: Cluster, manifest: Json) -> tuple[Json, bool]:
    """Apply an object that should not be there yet; give it and True, or what is there already and False.

    What is there is not touched: whose it is, and what to do about it, is for the caller to say. Raises ClusterError.
    """
    metadata = manifest["metadata"]
    try:
        return await cluster.apply_new(manifest), True
    except Conflict:
        found = await cluster.get(kind_of(manifest), metadata["namespace"], metadata["name"])
        if found is not None:
            return found, False
        # It went meanwhile, or this API server takes a precondition on what is missing for a conflict.
        return await cluster.apply(manifest, force=False), True
