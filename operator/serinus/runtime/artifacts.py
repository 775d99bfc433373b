"""Records what the first pod of a revision has fetched, so that every later one must get the very same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import controller_uid
from serinus.core.model.kinds import CONTROLLER_REVISION, Json
from serinus.core.model.revision import Revision
from serinus.core.plan.artifacts import fetches
from serinus.core.plan.fetched import first_fetched
from serinus.core.plan.revisions import mark_fetched, read_revision
from serinus.runtime.ports import Cache, Cluster


class Artifacts:
    """Writes what was fetched into the record of its revision; what cannot be written is tried by the next look."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache

    async def recorded(
        self, view: ModelDeploymentView, revisions: Sequence[Revision], pods: Mapping[str, Sequence[Json]]
    ) -> tuple[Revision, ...]:
        """Give the revisions with what their pods have fetched; `pods` are those of each revision, by its name."""
        return tuple([await self._recorded(view, one, pods.get(one.name, ())) for one in revisions])

    async def _recorded(self, view: ModelDeploymentView, revision: Revision, pods: Sequence[Json]) -> Revision:
        if revision.artifact is not None or not fetches(revision.template):
            return revision
        artifact = first_fetched(pods)
        if artifact is None:
            return revision
        with suppress(ClusterError):
            live = await self._cluster.get(CONTROLLER_REVISION, view.namespace, revision.name)
            if live is not None and controller_uid(live) == view.uid:
                known = read_revision(live)
                if known.artifact is not None:  # another process was first
                    self._cache.put(live)
                    return known
                stored = await self._cluster.apply(mark_fetched(live, artifact), force=True)
                self._cache.put(stored)
                return read_revision(stored)
        return revision
