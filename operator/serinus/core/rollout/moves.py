"""Which way a decision moves traffic: what takes weight goes first, what gives it goes last."""

from __future__ import annotations

from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.decision import Decision


def takes_weight(decision: Decision) -> bool:
    """Whether a canary loses weight."""
    return any(stored.state.weight < stored.before.weight for stored in decision.states)


def still_takes(seen: Snapshot, decision: Decision) -> bool:
    """Whether the live route gives a revision beside stable more than it shall have: a revert that was cut short."""
    stable = decision.stable.name if decision.stable else None
    if seen.route is None or decision.split is None:
        # One that we cannot read may give weight to anybody.
        return seen.route_unread and decision.split is not None
    shall = decision.split.weight_of
    return any(weight > shall(name) for name, weight in seen.route.weights if name != stable)


def gives_weight(seen: Snapshot, decision: Decision) -> bool:
    """Whether a revision beside stable shall have more than the live route gives it."""
    stable = decision.stable.name if decision.stable else None
    has = seen.route.weight_of if seen.route is not None else (lambda name: 0)
    weights = decision.split.weights if decision.split is not None else ()
    return any(weight > has(name) for name, weight in weights if name != stable)


def phase_changed(decision: Decision) -> bool:
    """Whether a rollout is somewhere else now."""
    return any(stored.state.phase is not stored.before.phase for stored in decision.states)
