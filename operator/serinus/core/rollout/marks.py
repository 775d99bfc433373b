"""What a model registry should say of the versions that a ModelDeployment has tried, after the Rollouts that are kept.

A level: it is worked out anew from what is on record, so nothing is lost with a process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from serinus.api import API_VERSION, GROUP
from serinus.api.status import Phase
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.model.registry import Mark, Marking, RegisteredVersion, registered_version
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.plan.artifacts import fetched_from
from serinus.core.rollout.history import rejects, stable_revision

MARK_ANNOTATION: Final = f"{GROUP}/registry-mark"
"""On a Rollout: what a model registry has been told of the version that it tried."""


@dataclass(frozen=True)
class DueMark:
    """What is to be told, and the Rollout on which it is recorded then."""

    rollout: str
    uid: str
    marking: Marking

    @property
    def named(self) -> tuple[str, str]:
        """Tell it from every other mark."""
        return self.uid, self.marking.mark

    def recorded(self, namespace: str) -> Json:
        """Render the apply that records on the live Rollout that the registry has been told."""
        metadata = {"name": self.rollout, "namespace": namespace, "uid": self.uid}
        annotations: Json = {MARK_ANNOTATION: str(self.marking.mark)}
        return {"apiVersion": API_VERSION, "kind": ROLLOUT.name, "metadata": {**metadata, "annotations": annotations}}


def marks_of(seen: Snapshot, server: str) -> tuple[DueMark, ...]:
    """List what the registry at an address should say, in the order of the Rollouts; what served goes first.

    Only of what was fetched from there: another server may have versions of the same name.
    """
    known = {
        one.name: version
        for one in seen.revisions
        if (version := registered_version(one.artifact)) is not None and fetched_from(one.template, server)
    }
    return tuple(sorted(_marks(seen, known), key=lambda one: one.marking.mark is not Mark.SERVED)) if known else ()


def told_of(manifest: Json) -> str:
    """Read from a live Rollout which mark the registry has been told; empty for none."""
    return str((manifest["metadata"].get("annotations") or {}).get(MARK_ANNOTATION) or "")


def _marks(seen: Snapshot, known: Mapping[str, RegisteredVersion]) -> Iterator[DueMark]:
    """Give each version the mark of the last Rollout that decided about it; `known` are those of revisions."""
    serving = known.get(stable_revision(seen) or "")
    last: dict[RegisteredVersion, RolloutSeen] = {}
    for rollout in seen.rollouts:
        version = known.get(rollout.plan.canary)
        if version is not None and (rollout.state.phase is Phase.SUCCEEDED or rejects(rollout.state)):
            last.pop(version, None)
            last[version] = rollout
    for version, rollout in last.items():
        mark = _mark(rollout, serves=version == serving)
        if mark is not None:
            plan, namespace = rollout.plan, seen.deployment.namespace
            yield DueMark(plan.name, plan.uid, Marking(version, mark, f"{namespace}/{plan.name}", _why(rollout)))


def _mark(rollout: RolloutSeen, *, serves: bool) -> Mark | None:
    """A version that serves is not called rejected because it failed under another runtime."""
    if rollout.state.phase is Phase.SUCCEEDED:
        return Mark.SERVING if serves else Mark.SERVED
    return None if serves else Mark.REJECTED


def _why(rollout: RolloutSeen) -> str:
    state = rollout.state
    return f"{state.reason}: {state.message}" if state.message else state.reason or state.phase
