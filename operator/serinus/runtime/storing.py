"""Writes the two statuses: at once if a decision or a restart needs it, otherwise now and then for people.

A status that the API server refuses is kept in memory and retried. After a 409 the write is sent again at once if only
our copy was stale; what somebody else wrote meanwhile is never overwritten, but decided on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from serinus.api import API_VERSION
from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.parsing import ModelDeploymentView, parse_rollout
from serinus.api.problems import ApiError
from serinus.api.rollout import RolloutStatus
from serinus.api.status import Condition
from serinus.core.model.errors import ClusterError, Conflict, Gone, Unavailable
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Owner, controller_uid
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json, Kind
from serinus.core.model.rollout import RolloutPlan, RolloutState, from_status, refreshed, to_status
from serinus.core.rollout.decision import NewRollout, StoredState
from serinus.runtime.budget import CHECKPOINT_SECONDS, LONGEST_SECONDS, REFRESH_SECONDS, WriteBudget, WriteTurn
from serinus.runtime.memory import Memory, Refusal
from serinus.runtime.ports import Cache, Clock, Cluster
from serinus.runtime.rereading import TRIES, read_anew

RETRY_SECONDS = 10.0
"""Between two tries of a status that was refused, unless there is more to say."""
NUMBERS_SECONDS = 2.0
"""How long the copy for people waits where it would tell of nothing but a pod more or less."""


class Stale(Conflict):
    """The decision was based on stale data; the cache is current now, so decide again."""


@dataclass(frozen=True)
class DueStatus:
    """What is to be written of a Rollout, and when it was found that it is; `turn` is its next."""

    stored: StoredState
    status: RolloutStatus
    turn: WriteTurn
    now: float


class Statuses:
    """Writes the intent, which is carried out afterwards, never before."""

    def __init__(self, cluster: Cluster, cache: Cache, clock: Clock) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._budget = WriteBudget()

    def take_in(self, owner: Owner, stored: StoredState, memory: Memory) -> DueStatus | None:
        """Give the status to write, if the state is worth a write now; else keep the state in memory."""
        plan, state = stored.plan, stored.state
        known, (on_record, recorded) = memory.rollouts.get(plan.uid), self._on_record(owner, plan, memory)
        now = self._clock.now()
        refusal = memory.refusals.get(plan.uid)
        if refusal is not None and not retry_due(refusal, now) and not worth_storing(refusal.state or state, state):
            self.keep_in_memory(owner, stored, memory)
            return None
        turn = known.turn if known else self._budget.first_turn(now)
        urgent = worth_storing(recorded, state)
        if not urgent:
            if not self._has_turn(turn, state, now):
                memory.remember(plan.uid, on_record, state, turn)
                return None
            turn = self._budget.next_turn(turn, now)
        # Evidence is written out only when it is due: that costs more than all the rest of an idle look.
        whole = urgent or turn.checkpoint_due(now)
        status = to_status(state, plan) if whole else refreshed(on_record, state, plan)
        turn = turn.checkpointed(now) if whole else turn
        if status == on_record:
            memory.remember(plan.uid, on_record, state, turn)
            memory.refusals.pop(plan.uid, None)
            return None
        return DueStatus(stored, status, turn, now)

    async def store_rollout(self, owner: Owner, stored: StoredState, memory: Memory) -> bool:
        """Store a Rollout's state if it is worth a write; tell whether it was written. Raises Stale."""
        due = self.take_in(owner, stored, memory)
        return due is not None and await self.write(owner, due, memory)

    async def write(self, owner: Owner, due: DueStatus, memory: Memory) -> bool:
        """Write a Rollout's status; tell whether it was written. Raises Stale.

        What was refused stands in memory, with the error; what gives no weight is gone on from all the same.
        """
        plan, state = due.stored.plan, due.stored.state
        try:
            decided_on = memory.rollouts_read.source(plan.name)
            answer = await self._write(ROLLOUT, _status_manifest(owner.namespace, plan, due.status), decided_on)
        except Stale:
            raise
        except ClusterError as error:
            self.keep_in_memory(owner, due.stored, memory)
            memory.refuse(plan.uid, error, due.now, state)
            return False
        memory.refusals.pop(plan.uid, None)
        memory.remember(plan.uid, _read_back(answer), state, due.turn)
        return True

    def _has_turn(self, turn: WriteTurn, state: RolloutState, now: float) -> bool:
        """Whether a write is due that nothing but people and a later restart ask for."""
        return turn.overdue(now) or (state.active and now >= turn.numbers_from and self._budget.take(now))

    def keep_in_memory(self, owner: Owner, stored: StoredState, memory: Memory) -> None:
        """Go on from a state that is not on record; a rise never happened without one."""
        if not rises(stored):
            on_record, _ = self._on_record(owner, stored.plan, memory)
            memory.remember(stored.plan.uid, on_record, stored.state, None)

    def _on_record(self, owner: Owner, plan: RolloutPlan, memory: Memory) -> tuple[RolloutStatus, RolloutState]:
        """The status that is stored, and what it says: the status as the very object that memory holds, if equal."""
        manifest = self._cache.get(ROLLOUT, owner.namespace, plan.name) or {}
        read = memory.rollouts_read.known(manifest) if manifest else None
        if read is None or isinstance(read, str):
            status = _read_back(manifest)
            state = from_status(status)
        else:
            _, status, state = read
        known = memory.rollouts.get(plan.uid)
        return (known.stored if known is not None and known.stored == status else status), state

    async def _write(self, kind: Kind, manifest: Json, decided_on: Json | None) -> Json:
        """Apply a status; where only our copy was old, again with what is stored. Raises Stale and ClusterError."""
        metadata = manifest["metadata"]
        for attempt in range(TRIES):
            try:
                answer = await self._cluster.apply_status(manifest)
                self._cache.put(answer)
                return answer
            except (Conflict, Gone) as error:
                stored = await read_anew(self._cluster, self._cache, kind, metadata["namespace"], metadata["name"])
                if stored is None or not _same_object(decided_on, stored):
                    raise Stale(str(error)) from error
                if attempt == TRIES - 1:
                    raise
                manifest = _based_on(manifest, stored)
        raise AssertionError("the last try returns or raises")

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
        """Store the copy for people; what only words or numbers differ in waits for its time, and for the budget.

        Raises Stale.
        """
        now, refusal = self._clock.now(), memory.refusals.get(view.uid)
        memory.status, memory.owes_status = status, False
        if status == view.status:
            memory.refusals.pop(view.uid, None)
            memory.numbers_since = memory.numbers_due = None
            return False
        if not self._copy_due(view.status, status, memory, now):
            return False
        if refusal is not None and not retry_due(refusal, now):
            return False
        metadata = {
            "name": view.name,
            "namespace": view.namespace,
            "uid": view.uid,
            "resourceVersion": view.resource_version,
        }
        manifest = {
            "apiVersion": API_VERSION,
            "kind": MODEL_DEPLOYMENT.name,
            "metadata": metadata,
            "status": status.manifest(),
        }
        try:
            await self._write(MODEL_DEPLOYMENT, manifest, memory.views.source(view.name))
        except Stale:
            raise
        except ClusterError as error:
            memory.refuse(view.uid, error, now)
            return False
        memory.refusals.pop(view.uid, None)
        memory.status_written_at = now
        return True

    def _copy_due(
        self, before: ModelDeploymentStatus, status: ModelDeploymentStatus, memory: Memory, now: float
    ) -> bool:
        """Whether the copy is written now. Pods become ready one after the other, and are told of together."""
        since = now if memory.numbers_since is None else memory.numbers_since
        memory.numbers_since = memory.numbers_due = None
        if _without_words(status) == _without_words(before):
            return self._words_due(now - memory.status_written_at, now)
        if _without_numbers(status) != _without_numbers(before):
            return True
        waited = now - since
        if waited >= REFRESH_SECONDS or (waited >= NUMBERS_SECONDS and self._budget.take(now)):
            return True
        memory.numbers_since, memory.numbers_due = since, max(since + NUMBERS_SECONDS, now + 1.0)
        return False

    def _words_due(self, age: float, now: float) -> bool:
        return age >= CHECKPOINT_SECONDS and (age >= LONGEST_SECONDS or self._budget.take(now))


def rises(stored: StoredState) -> bool:
    """Whether a state shows the canary more: nothing may be done about it before it is on record."""
    return stored.state.exposure.exceeds(stored.before.exposure)


def retry_due(refusal: Refusal, now: float) -> bool:
    """Whether a refused status is tried again; one that was merely not answered is at each pass."""
    return isinstance(refusal.error, Unavailable) or now - refusal.at >= RETRY_SECONDS


def _same_object(decided_on: Json | None, stored: Json) -> bool:
    """Whether what is stored says what we decided on: labels and annotations decide nothing."""
    if decided_on is None:
        return False
    return all(decided_on.get(part) == stored.get(part) for part in ("spec", "status")) and all(
        decided_on["metadata"].get(field) == stored["metadata"].get(field) for field in ("uid", "deletionTimestamp")
    )


def _based_on(manifest: Json, stored: Json) -> Json:
    version = stored["metadata"]["resourceVersion"]
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}


def worth_storing(before: RolloutState, after: RolloutState) -> bool:
    """Whether a change must be in the cluster before anything is done about it."""
    return _essence(before) != _essence(after)


def _essence(state: RolloutState) -> tuple[object, ...]:
    known = state.analysis
    return (
        state.observed_generation,
        state.phase,
        state.step,
        state.exposure,
        state.verdict,
        state.reason,
        state.acknowledged,
        state.started_at,
        state.settled_at,
        state.waiting_since,
        state.counts_from,
        state.stable_down_since,
        state.safe_at,
        state.asked_at,
        state.ready_for,
        state.walked_with,
        state.pods,
        dict(known.failures),
        sorted(known.excused),
        sorted(known.exceeded),
        known.blind_since is None,
    )


def _without_words(status: ModelDeploymentStatus) -> Json:
    plain: Json = status.manifest()
    plain["conditions"] = [_bare(condition) for condition in status.conditions]
    return plain


def _without_numbers(status: ModelDeploymentStatus) -> Json:
    plain = _without_words(status)
    for revision in ("stable", "canary"):
        if plain.get(revision):
            plain[revision] = {**plain[revision], "readyReplicas": None, "replicas": None}
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
