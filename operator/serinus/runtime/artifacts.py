"""Records what the first pod of a revision has fetched, so that every later one must get the very same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.artifact import Artifact
from serinus.core.model.errors import ClusterError, Conflict, Gone
from serinus.core.model.identity import controller_uid
from serinus.core.model.kinds import CONTROLLER_REVISION, Json
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.artifacts import fetches
from serinus.core.plan.diagnosis.reasons import NotReadyReason
from serinus.core.plan.fetched import first_fetched
from serinus.core.plan.revisions import mark_of_fetch, read_revision
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache, Cluster
from serinus.runtime.rereading import read_anew


class Artifacts:
    """Writes what was fetched into the record of its revision; what cannot be written is tried by the next look."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache

    async def recorded(
        self,
        view: ModelDeploymentView,
        memory: Memory,
        revisions: Sequence[Revision],
        pods: Mapping[str, Sequence[Json]],
    ) -> tuple[Revision, ...]:
        """Give the revisions with what their pods have fetched; `pods` are those of each revision, by its name."""
        return tuple([await self._known(view, memory, one, pods.get(one.name, ())) for one in revisions])

    async def _known(
        self, view: ModelDeploymentView, memory: Memory, revision: Revision, pods: Sequence[Json]
    ) -> Revision:
        """Record what a revision has fetched, or keep in `memory.untold` why that cannot be done."""
        if revision.artifact is not None or not fetches(revision.template):
            return revision
        artifact = first_fetched(pods)
        try:
            found = await self._recorded(view, revision, artifact) if artifact is not None else revision
        except ClusterError as error:
            memory.untold[revision.name] = Obstacle(
                NotReadyReason.ARTIFACT_NOT_RECORDED,
                f"what the first pod has fetched cannot be recorded on ControllerRevision {revision.name}: {error}; "
                f"no more pods of it start until it can",
            )
            return revision
        memory.untold.pop(revision.name, None)
        return found

    async def _recorded(self, view: ModelDeploymentView, revision: Revision, artifact: Artifact) -> Revision:
        kind, place = CONTROLLER_REVISION, (view.namespace, revision.name)
        live = self._cache.get(kind, *place)
        if live is None or controller_uid(live) != view.uid:
            return revision
        try:
            stored = await self._cluster.merge(kind, *place, mark_of_fetch(live, artifact))
        except (Conflict, Gone):
            found = await read_anew(self._cluster, self._cache, kind, *place)
            if found is None or controller_uid(found) != view.uid:
                return revision
            known = read_revision(found)
            if known.artifact is None:
                raise
            return known  # another process was first
        self._cache.put(stored)
        return read_revision(stored)
