"""What an undo does, for people and for scripts."""

from __future__ import annotations

from serinus.api.rollout import RolloutSpec
from serinus.cli.undo.change import Undo
from serinus.core.model.kinds import Json
from serinus.core.rollout.start import rollback_revisions
from serinus.core.rollout.undo import Effect

SAYS_WHAT_ENDS = frozenset({Effect.SPEC_RESTORED, Effect.CONTINUES})


def effect_of(undo: Undo) -> str:
    """Say in one line what the operator will do."""
    active, text = undo.outcome.active, _effect(undo)
    if active is None or active.state.phase.ended or undo.outcome.effect in SAYS_WHAT_ENDS:
        return text
    return f"ends Rollout {active.plan.name}, then {text}"


def _effect(undo: Undo) -> str:
    outcome, version = undo.outcome, undo.target.version
    if outcome.effect is Effect.REJECTED:
        return _rejected(undo)
    if outcome.start is not None and outcome.start.spec.from_ is not None:
        return _rollout(undo, outcome.start.spec)
    active = outcome.active.plan.name if outcome.active else ""
    return {
        Effect.SPEC_RESTORED: f"ends Rollout {active}: all traffic goes back to version {version} at once",
        Effect.NO_ROLLOUT: f"no rollout: version {version} is what serves",
        Effect.CONTINUES: f"Rollout {active} to version {version} goes on",
        Effect.FIRST_REVISION: f"version {version} gets all traffic once its pods are ready: nothing is stable yet",
    }[outcome.effect]


def _rollout(undo: Undo, start: RolloutSpec) -> str:
    guard = f"a guard window of {start.guard.duration}"
    if start.rollback:
        version = undo.target.version
        return f"one guarded step (rollbackWindow): version {version} gets 100% once its pods are ready, then {guard}"
    number = len(start.strategy.canary.steps)
    steps = f"{number} steps" if number > 1 else "one step"
    return f"an ordinary rollout in {steps}, then {guard}: {_why_all_steps(undo, start)}"


def _why_all_steps(undo: Undo, start: RolloutSpec) -> str:
    back, version = rollback_revisions(undo.spec), undo.target.version
    if not undo.target.succeeded:
        return f"version {version} has never succeeded"
    if back == 0:
        return "rollbackWindow is 0"
    stable = start.from_.version if start.from_ else ""
    return f"version {version} is not among the last {back} that succeeded before version {stable} (rollbackWindow)"


def _rejected(undo: Undo) -> str:
    rejection, retryable = undo.outcome.rejection, undo.outcome.retryable
    by = f" by Rollout {rejection.rollout} ({rejection.reason})" if rejection else ""
    still = "retry" if retryable else "another strategy, analysis or guard"
    return f"no rollout: version {undo.target.version} was rejected{by} and gets no traffic without {still}"


def stays_behind(undo: Undo) -> str:
    """Say what the other members do that came with the same release; empty where one may go back alone."""
    if not undo.group.staying:
        return ""
    others = " and ".join(f"{name} (version {version})" for name, version in undo.group.staying)
    one = len(undo.group.staying) == 1
    active = undo.outcome.active
    if undo.outcome.effect is Effect.SPEC_RESTORED and active is not None and active.plan.spec.group is not None:
        ends = "ends its rollout, too, and starts it again alone" if one else "end their rollouts, too, and start again"
        return f"{others} {ends}: the spec there still asks for it"
    return f"{others} {'stays' if one else 'stay'}, and {undo.deployment.name} goes back alone"


def undo_json(undo: Undo, *, tool: str | None, applied: bool) -> Json:
    """Write it for scripts: the keys are a contract (docs/operations.md)."""
    view, wanted, target = undo.deployment, undo.wanted, undo.target
    return {
        "namespace": view.namespace,
        "name": view.name,
        "from": {"revision": wanted.name if wanted else None, "version": view.spec.model.version},
        "to": {"revision": target.name, "version": target.version},
        "effect": undo.outcome.effect,
        "message": effect_of(undo),
        "configMap": undo.config_map,
        "groupMembers": list(undo.group.names),
        "gitOps": tool,
        "diff": undo.diff(),
        "patch": undo.patch(),
        "applied": applied,
    }
