"""What happens while the Rollout that decides the split cannot be parsed: nothing that moves traffic or removes pods.

A record that another version of the operator wrote is still a record. Its content is unknown, so the live route counts
as the truth, and everything that the route names is kept as it is.
"""

from __future__ import annotations

from serinus.core.model.snapshot import Freeze, Snapshot
from serinus.core.plan.wanted import Workload
from serinus.core.rollout.conditions import Statement, conditions_of
from serinus.core.rollout.decision import Decision, Note
from serinus.core.rollout.sizes import canary_replicas


def frozen(seen: Snapshot, freeze: Freeze, now: float) -> Decision:
    """Keep the split as the route has it, and say why."""
    view, why = seen.deployment, freeze.why
    known = {condition.type: condition for condition in view.status.conditions}
    statements = (
        Statement("Reconciling", False, why.reason, "nothing is decided"),
        Statement("Stalled", True, why.reason, why.message),
    )
    said = conditions_of(known.values(), statements, generation=view.generation, now=now)
    conditions = (*(one for one in known.values() if one.type not in {new.type for new in said}), *said)
    told = known.get("Stalled")
    news = told is None or (told.status, told.reason) != ("True", why.reason)
    return Decision(
        status=view.status.model_copy(update={"observed_generation": view.generation, "conditions": conditions}),
        split=freeze.split,
        workloads=_kept(seen, freeze),
        notes=(Note(why.reason, why.message, warning=True),) if news else (),
        live=freeze.split is not None and len(freeze.split.revisions) > 1,
    )


def _kept(seen: Snapshot, freeze: Freeze) -> tuple[Workload, ...]:
    """The revisions that the route names, with the pods that they have, and never fewer than their weight asks for."""
    kept = []
    for name, weight in _shown(seen, freeze):
        revision, fleet = seen.revision(name), seen.fleet(name)
        replicas = max(fleet.desired, canary_replicas(weight, seen.min_replicas) if weight else 0)
        if revision is not None and replicas > 0:
            kept.append(Workload(revision, None if fleet.scaled_by_other else replicas))
    return tuple(kept)


def _shown(seen: Snapshot, freeze: Freeze) -> tuple[tuple[str, int], ...]:
    """The revisions of the split; behind a fallback all that have pods, as it names none."""
    if freeze.split is None:
        return ()
    return freeze.split.weights or tuple((name, 0) for name in seen.fleets)
