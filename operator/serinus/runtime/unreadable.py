"""Objects that this version of the operator cannot parse: they are not gone, another version wrote them.

After a downgrade of the operator, or before an upgrade of its CRDs, a Rollout or ModelDeployment may hold fields that
our models do not know. Its split then stays as the live route has it, and that is reported wherever possible.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from serinus.api.parsing import parse_rollout, unix_seconds
from serinus.api.problems import ApiError
from serinus.api.rollout import RolloutStatus
from serinus.core.model.errors import ClusterError
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json
from serinus.core.model.rollout import RolloutPlan, RolloutState, from_status, read_plan
from serinus.core.model.snapshot import Freeze, Obstacle
from serinus.core.model.split import Split
from serinus.core.model.timestamps import to_rfc3339_seconds
from serinus.core.rollout.decision import Note
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache, Clock, Cluster
from serinus.runtime.storing import retry_due

log = structlog.get_logger("serinus.unreadable")

UNREADABLE = (ApiError, ValueError, TypeError, KeyError)
ReadRollout = tuple[RolloutPlan, RolloutStatus, RolloutState]
CURE = "upgrade the operator and its CRDs to the version that wrote it, or correct the field"


def read_rollout(manifest: Json) -> ReadRollout | str:
    """Read a Rollout; why it cannot be read, for one that another version of the schema wrote."""
    try:
        rollout = parse_rollout(manifest)
        return read_plan(rollout), rollout.status, from_status(rollout.status)
    except UNREADABLE as error:
        return str(error) or type(error).__name__


def freeze_of(unread: dict[str, str], manifests: dict[str, Json], read: Sequence[RolloutPlan]) -> Obstacle | None:
    """Say which unreadable Rollout may decide the split: the newest of all, unless it says that it has settled."""
    newest = max((plan.created_at for plan in read), default=0.0)
    deciding = [name for name in sorted(unread) if not _settled(manifests[name]) and _age(manifests[name]) >= newest]
    if not deciding:
        return None
    name = deciding[-1]
    text = f"Rollout {name} cannot be read by this version of the operator ({unread[name]}): its split stays; {CURE}"
    return Obstacle("RolloutUnreadable", text)


def frozen_split(why: Obstacle | None, route: Split | None, memory: Memory) -> Freeze | None:
    """Keep the split that the route had when it was frozen: a hand at it meanwhile is put right."""
    if why is None:
        memory.frozen = None
        return None
    memory.frozen = memory.frozen or route
    return Freeze(why, memory.frozen)


def _age(manifest: Json) -> float:
    return unix_seconds(manifest["metadata"].get("creationTimestamp"))


def _settled(manifest: Json) -> bool:
    """Whether a Rollout decides the split no more, as far as its raw status tells."""
    status = manifest.get("status")
    return isinstance(status, dict) and isinstance(status.get("settledAt"), str)


class UnreadableDeployments:
    """Reports in its status that a ModelDeployment cannot be parsed."""

    def __init__(self, cluster: Cluster, cache: Cache, clock: Clock) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock

    async def say(self, manifest: Json, error: str, memory: Memory) -> Note | None:
        """Write the condition; give what people are to be told now."""
        text = f"it cannot be read by this version of the operator ({error}): its split stays as it is; {CURE}"
        news = memory.unread != error
        memory.unread = error
        await self._write(manifest, text, memory)
        return Note("ModelDeploymentUnreadable", text, warning=True) if news else None

    async def _write(self, manifest: Json, text: str, memory: Memory) -> None:
        metadata, now = manifest["metadata"], self._clock.now()
        refusal = memory.refusals.get(metadata["uid"])
        status = _with_conditions(manifest, text, to_rfc3339_seconds(now))
        if status == manifest.get("status") or (refusal is not None and not retry_due(refusal, now)):
            return
        written = {
            "apiVersion": MODEL_DEPLOYMENT.api_version,
            "kind": MODEL_DEPLOYMENT.name,
            "metadata": {name: metadata[name] for name in ("name", "namespace", "uid", "resourceVersion")},
            "status": status,
        }
        try:
            self._cache.put(await self._cluster.apply_status(written))
            memory.refusals.pop(metadata["uid"], None)
        except ClusterError as refused:
            memory.refuse(metadata["uid"], refused, now)
            log.warning("the condition could not be written", name=metadata["name"], why=str(refused))


def _with_conditions(manifest: Json, text: str, now: str) -> Json:
    """Say it in the raw status, beside all that is there; the transition time moves only when the status does."""
    status = manifest.get("status") or {}
    said: list[Json] = [one for one in status.get("conditions") or () if isinstance(one, dict)]
    for kind, holds, message in (("Reconciling", "False", "nothing is decided"), ("Stalled", "True", text)):
        before = next((one for one in said if one.get("type") == kind), {})
        condition = {
            "type": kind,
            "status": holds,
            "observedGeneration": manifest["metadata"].get("generation") or 0,
            "lastTransitionTime": before.get("lastTransitionTime") if before.get("status") == holds else now,
            "reason": "ModelDeploymentUnreadable",
            "message": message[:1024],
        }
        said = [*(one for one in said if one.get("type") != kind), condition]
    return {**status, "conditions": said}
