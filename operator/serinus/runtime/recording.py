"""The records of one pass: which states to write, and what may be done before they are written.

Giving weight waits for its record. Taking weight away does not: the record gets a moment's head start, so that it
usually comes first, and then the route is written whether or not the record was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from serinus.core.model.errors import ClusterError, Unavailable
from serinus.core.model.identity import Owner
from serinus.core.model.snapshot import Obstacle, Snapshot
from serinus.core.rollout.decision import Decision, Note, StoredState
from serinus.core.rollout.reasons import RolloutReason
from serinus.runtime.memory import Memory, Refusal
from serinus.runtime.storing import RETRY_SECONDS, DueStatus, Statuses, rises

PATIENCE_SECONDS = 1.0
"""How long the route waits for the record when it takes weight away."""
UNANSWERED_TRIES = 3
"""A status that is merely not answered is told of after so many."""


class Recording:
    """State writes in progress."""

    def __init__(self, task: asyncio.Task[None] | None) -> None:
        self._task = task

    async def wait(self, patience: float | None = None) -> None:
        """Wait until all is written or refused, or until patience has run out. Raises Stale."""
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=patience)
        if self._task.done():
            self._task.result()


@asynccontextmanager
async def recording(
    statuses: Statuses, owner: Owner, states: Sequence[StoredState], memory: Memory
) -> AsyncIterator[Recording]:
    """Begin to write states, if there is one to write; nothing of it is left over afterwards."""
    due, later = _first_due(statuses, owner, states, memory)
    task = asyncio.create_task(_store(statuses, owner, due, later, memory)) if due is not None else None
    try:
        yield Recording(task)
    finally:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _first_due(
    statuses: Statuses, owner: Owner, states: Sequence[StoredState], memory: Memory
) -> tuple[DueStatus | None, Sequence[StoredState]]:
    """Take states in up to the first that is to be written; give that, and those that come after it."""
    for number, stored in enumerate(states, 1):
        due = statuses.take_in(owner, stored, memory)
        if due is not None:
            return due, states[number:]
    return None, ()


async def _store(
    statuses: Statuses, owner: Owner, due: DueStatus, later: Sequence[StoredState], memory: Memory
) -> None:
    await statuses.write(owner, due, memory)
    for stored in later:
        await statuses.store_rollout(owner, stored, memory)


def states_to_store(seen: Snapshot, decision: Decision, memory: Memory) -> tuple[StoredState, ...]:
    """What was decided now, and what was decided before and is on record nowhere yet."""
    decided = {stored.plan.uid for stored in decision.states}
    owed = (
        StoredState(rollout.plan, rollout.state, rollout.state)
        for rollout in seen.rollouts
        if rollout.plan.uid in memory.refusals and rollout.plan.uid not in decided
    )
    return (*decision.states, *owed)


def unrecorded(seen: Snapshot, memory: Memory) -> Obstacle | None:
    """Why the newest Rollout's status is not on record; None when it is."""
    refusal = memory.refusals.get(seen.newest.plan.uid) if seen.newest else None
    if refusal is None:
        return None
    text = (
        f"the API server does not take the Rollout's status, and without a record no weight is given: {refusal.error}"
    )
    return Obstacle(RolloutReason.STATUS_REFUSED, text)


def must_hold(decision: Decision, memory: Memory) -> bool:
    """Whether a rise was decided on that could not be recorded."""
    return any(rises(stored) and stored.plan.uid in memory.refusals for stored in decision.states)


def anything_owed(seen: Snapshot, memory: Memory) -> bool:
    """Whether a Rollout's state is in memory alone: what cannot be undone waits until it is on record."""
    return any(rollout.plan.uid in memory.refusals for rollout in seen.rollouts)


def refusals_to_tell(seen: Snapshot, before: dict[str, Refusal], memory: Memory) -> list[Note]:
    """What people are told of statuses that were refused: once, and again when the API server's words change."""
    plans = {rollout.plan.uid: rollout.plan for rollout in seen.rollouts}
    return [
        Note(RolloutReason.STATUS_REFUSED, _words(uid, refusal, seen), warning=True, rollout=plans.get(uid))
        for uid, refusal in memory.refusals.items()
        if _is_news(before.get(uid), refusal)
    ]


def unanswered(memory: Memory) -> list[ClusterError]:
    """The statuses that the API server could not answer for: the whole pass is tried again soon."""
    return [refusal.error for refusal in memory.refusals.values() if isinstance(refusal.error, Unavailable)]


def next_try(memory: Memory) -> float | None:
    """When a refused status is tried again."""
    return min((refusal.at + RETRY_SECONDS for refusal in memory.refusals.values()), default=None)


def _is_news(before: Refusal | None, refusal: Refusal) -> bool:
    if isinstance(refusal.error, Unavailable):
        return refusal.tries == UNANSWERED_TRIES and (before is None or before.tries < refusal.tries)
    return before is None or str(before.error) != str(refusal.error)


def _words(uid: str, refusal: Refusal, seen: Snapshot) -> str:
    whose = "ModelDeployment" if uid == seen.deployment.uid else "Rollout"
    return (
        f"the status of this {whose} is refused: {refusal.error}. Weight is still taken from a canary, and none is "
        f"given; tried again every {RETRY_SECONDS:.0f} s. An operator that restarts meanwhile goes by the older status"
    )
