"""Writes the two statuses: when something that people or a restart need has changed, and once a minute what is left."""

from __future__ import annotations

from typing import Any

from serinus.api import API_VERSION
from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.parsing import ApiError, ModelDeploymentView, parse_rollout
from serinus.api.rollout import RolloutStatus
from serinus.api.status import Condition
from serinus.core.model.errors import Conflict
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Owner, controller_uid
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.model.rollout import RolloutPlan, RolloutState, from_status, to_status
from serinus.core.rollout.decision import NewRollout, StoredState
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache, Clock, Cluster

CHECKPOINT_SECONDS = 60.0


class Statuses:
    """The writer of intent: what stands here is carried out afterwards, never before."""

    def __init__(self, cluster: Cluster, cache: Cache, clock: Clock) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock

    async def store_rollout(self, owner: Owner, stored: StoredState, memory: Memory) -> bool:
        """Store a Rollout's state if it is worth a write; tell whether it was written."""
        plan, state = stored.plan, stored.state
        known = memory.rollouts.get(plan.uid)
        in_cache = _stored_status(self._cache, owner, plan)
        on_record = known.stored if known is not None and known.stored == in_cache else in_cache
        now = self._clock.now()
        due = now - (known.written_at if known else 0.0) >= CHECKPOINT_SECONDS
        # Evidence is written out only when it is due: that costs more than all the rest of an idle look.
        status = to_status(state, plan) if due or worth_storing(from_status(on_record), state) else on_record
        if status == on_record:
            memory.remember(plan.uid, on_record, state, None)
            return False
        answer = await self._cluster.apply_status(_status_manifest(owner.namespace, plan, status))
        self._cache.put(answer)
        memory.remember(plan.uid, _read_back(answer), state, now)
        return True

    async def create_rollout(self, owner: Owner, new: NewRollout, revision_hash: str, memory: Memory) -> Json:
        """Create the object that carries the plan of a new transition."""
        manifest = {
            "apiVersion": API_VERSION,
            "kind": ROLLOUT.name,
            "metadata": owner.metadata(new.name, revision_hash),
            "spec": new.spec.manifest(),
        }
        try:
            answer = await self._cluster.create(manifest)
        except Conflict:
            await self._name_taken(owner, new.name, memory)
            raise
        self._cache.put(answer)
        return answer

    async def _name_taken(self, owner: Owner, name: str, memory: Memory) -> None:
        """Take in a Rollout that is there already; one that no pass can see has used up its name, and its attempt."""
        found = await self._cluster.get(ROLLOUT, owner.namespace, name)
        if found is None:
            return
        self._cache.put(found)
        if not _can_be_seen(owner, found):
            memory.used_names.add(name)

    async def store_summary(self, view: ModelDeploymentView, status: ModelDeploymentStatus, memory: Memory) -> bool:
        """Store the copy for people; what only words differ in waits for the next minute."""
        now = self._clock.now()
        if status == view.status:
            return False
        due = now - memory.status_written_at >= CHECKPOINT_SECONDS
        if not due and _without_words(status) == _without_words(view.status):
            return False
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "metadata": {
                "name": view.name,
                "namespace": view.namespace,
                "uid": view.uid,
                "resourceVersion": view.resource_version,
            },
            "status": status.manifest(),
        }
        self._cache.put(await self._cluster.apply_status(manifest))
        memory.status_written_at = now
        return True


def worth_storing(before: RolloutState, after: RolloutState) -> bool:
    """Whether a change must be in the cluster before anything is done about it."""
    return _essence(before) != _essence(after)


def _essence(state: RolloutState) -> tuple[object, ...]:
    evidence = state.evidence
    return (
        state.observed_generation,
        state.phase,
        state.step,
        state.weight,
        state.verdict,
        state.reason,
        state.acknowledged,
        state.started_at,
        state.settled_at,
        state.waiting_since,
        state.stable_down_since,
        state.safe_at,
        state.asked_at,
        state.pods,
        dict(evidence.failures),
        sorted(evidence.excused),
        evidence.blind_since is None,
    )


def _without_words(status: ModelDeploymentStatus) -> Json:
    plain: Json = status.manifest()
    plain["conditions"] = [_bare(condition) for condition in status.conditions]
    return plain


def _bare(condition: Condition) -> tuple[Any, ...]:
    return (condition.type, condition.status, condition.reason, condition.observed_generation)


def _can_be_seen(owner: Owner, manifest: Json) -> bool:
    metadata = manifest["metadata"]
    if controller_uid(manifest) != owner.uid or metadata.get("deletionTimestamp"):
        return False
    try:
        parse_rollout(manifest)
    except ApiError:
        return False
    return (metadata.get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL) == owner.name


def _stored_status(cache: Cache, owner: Owner, plan: RolloutPlan) -> RolloutStatus:
    manifest = cache.get(ROLLOUT, owner.namespace, plan.name)
    return _read_back(manifest or {})


def _read_back(manifest: Json) -> RolloutStatus:
    return RolloutStatus.parse(manifest.get("status") or {})


def _status_manifest(namespace: str, plan: RolloutPlan, status: RolloutStatus) -> Json:
    metadata = {
        "name": plan.name,
        "namespace": namespace,
        "uid": plan.uid,
        "resourceVersion": plan.resource_version,
    }
    return {"apiVersion": API_VERSION, "kind": ROLLOUT.name, "metadata": metadata, "status": status.manifest()}
