"""Knows the groups of ModelDeployments: who is a member, where each stands, and whom a change of one concerns.

Everything is read from the cache, from what each member's own pass has stored. A change that others may wait for, our
own writes included, wakes the passes of the other members at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from serinus.api.defaults import policy_of, unlisted_steps
from serinus.api.parsing import ModelDeploymentView, parse_model_deployment
from serinus.core.model.group import Member, MemberRollout
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.runtime.memory import Readings
from serinus.runtime.ports import Cache
from serinus.runtime.unreadable import UNREADABLE, ReadRollout, freeze_of, read_rollout

Place = tuple[str, str]
"""Namespace, and the name of a group."""
ReadMember = tuple[ModelDeploymentView, int, str]
"""What it asks for, how many steps that has, and which ones if it does not list them."""


@dataclass
class _Known:
    """One member: its group, what the others were told of last, and what was read of it."""

    group: Place
    told: object
    views: Readings[ReadMember | str] = field(default_factory=Readings)
    rollouts: Readings[ReadRollout | str] = field(default_factory=Readings)


class Members:
    """The groups of all namespaces."""

    def __init__(self, cache: Cache, *, wake: Callable[[Key], None]) -> None:
        self._cache = cache
        self._wake = wake
        self._known: dict[Key, _Known] = {}
        self._groups: dict[Place, set[str]] = {}
        self._rollouts: dict[Key, tuple[Key, object]] = {}
        """By Rollout: whose it is, and what was told of it last."""
        cache.follow(MODEL_DEPLOYMENT, self._deployed)
        cache.follow(ROLLOUT, self._rolled)

    def beside(self, view: ModelDeploymentView) -> tuple[Member, ...]:
        """The other members of a ModelDeployment's group, by name."""
        group = view.spec.group
        if group is None:
            return ()
        names = self._groups.get((view.namespace, group.name), set()) - {view.name}
        return tuple(self._member(Key(view.namespace, name)) for name in sorted(names))

    def _member(self, key: Key) -> Member:
        known, manifest = self._known[key], self._cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
        read = known.views.of(manifest, _read_deployment) if manifest is not None else "it is gone"
        if isinstance(read, str):
            return Member(key.name, unreadable=f"ModelDeployment {key.name} cannot be read: {read}")
        rollout = self._newest(known, key)
        if isinstance(rollout, str):
            return Member(key.name, unreadable=rollout)
        view, steps, strategy = read
        group, said = view.spec.group, view.status.group
        looked = view.status.observed_generation == view.generation
        heard = said if looked and group is not None and said is not None and said.release == group.release else None
        return Member(
            key.name,
            release=group.release if group else None,
            steps=steps,
            strategy=strategy,
            standing=heard.standing if heard else None,
            why=(heard.message or "") if heard else "its newest spec has not been looked at yet",
            rollout=rollout,
        )

    def rest(self, key: Key) -> None:
        """Forget what was read of the members of a ModelDeployment's group: the next pass of one reads it anew."""
        known = self._known.get(key)
        for name in self._groups.get(known.group, ()) if known is not None else ():
            beside = self._known[Key(key.namespace, name)]
            beside.views, beside.rollouts = Readings(), Readings()

    def _newest(self, known: _Known, key: Key) -> MemberRollout | str | None:
        """The Rollout that decides a member's split, or decided it last; why it cannot be read."""
        owned = dict(self._cache.owned(ROLLOUT, key.namespace, key.name))
        known.rollouts.keep(owned)
        unread: dict[str, str] = {}
        seen: list[MemberRollout] = []
        for name, manifest in owned.items():
            if manifest["metadata"].get("deletionTimestamp"):
                continue
            read = known.rollouts.of(manifest, read_rollout)
            if isinstance(read, str):
                unread[name] = read
            else:
                seen.append(MemberRollout(read[0], read[2]))
        why = freeze_of(unread, owned, [one.plan for one in seen])
        if why is not None:
            return why.message
        return max(seen, key=lambda one: age(one.plan, one.state), default=None)

    def _deployed(self, namespace: str, name: str, manifest: Json | None) -> None:
        """Take in a ModelDeployment, and wake whom its news concerns: of the group that it leaves and of its own."""
        key, group = Key(namespace, name), _group_of(manifest)
        before = self._known.get(key)
        if group is None and before is None:
            return
        if before is not None and (group is None or before.group != (namespace, group)):
            self._wake_beside(key)
            self._groups[before.group].discard(name)
            if not self._groups[before.group]:
                del self._groups[before.group]
            del self._known[key]
            before = None
        if group is None or manifest is None:
            return
        told = _told_of_deployment(manifest)
        if before is None:
            self._known[key] = _Known((namespace, group), told)
            self._groups.setdefault((namespace, group), set()).add(name)
        elif before.told == told:
            return
        self._known[key].told = told
        self._wake_beside(key)

    def _rolled(self, namespace: str, name: str, manifest: Json | None) -> None:
        """Take in a Rollout, and wake the other members where it says something new to them."""
        place = Key(namespace, name)
        owner = ((manifest or {}).get("metadata", {}).get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL)
        before = self._rollouts.pop(place, None)
        key = Key(namespace, owner) if owner is not None else before[0] if before is not None else None
        if key is None or key not in self._known:
            return
        told = None if manifest is None else _told_of_rollout(manifest)
        if told is not None:
            self._rollouts[place] = (key, told)
        if before is None or before[1] != told:
            self._wake_beside(key)

    def _wake_beside(self, key: Key) -> None:
        for name in self._groups.get(self._known[key].group, set()) - {key.name}:
            self._wake(Key(key.namespace, name))


def age(plan: RolloutPlan, state: RolloutState) -> tuple[float, float, int, str]:
    """Sort from old to new; creation times are whole seconds, and of one second's the one that goes on is newest."""
    settled = state.settled_at
    return plan.created_at, float("inf") if settled is None else settled, plan.spec.attempt, plan.name


def _read_deployment(manifest: Json) -> ReadMember | str:
    """Read a ModelDeployment, count its steps and name those that it does not list; why it cannot be read."""
    try:
        view = parse_model_deployment(manifest)
        return view, len(policy_of(view.spec).strategy.canary.steps), unlisted_steps(view.spec.strategy)
    except UNREADABLE as error:
        return str(error) or type(error).__name__


def _group_of(manifest: Json | None) -> str | None:
    """Read the group's name, of whatever may be written there."""
    if manifest is None or manifest["metadata"].get("deletionTimestamp"):
        return None
    spec = manifest.get("spec")
    group = spec.get("group") if isinstance(spec, dict) else None
    name = group.get("name") if isinstance(group, dict) else None
    return name if isinstance(name, str) and name else None


def _told_of_deployment(manifest: Json) -> object:
    status = manifest.get("status")
    said = (status.get("observedGeneration"), status.get("group")) if isinstance(status, dict) else ()
    return manifest["metadata"].get("generation"), said


def _told_of_rollout(manifest: Json) -> object:
    spec, status = manifest.get("spec"), manifest.get("status")
    levers = [spec.get(name) for name in ("group", "paused", "abort", "promote")] if isinstance(spec, dict) else []
    fields = ("phase", "step", "readyFor", "finishedAt", "reason")
    return levers, [status.get(name) for name in fields] if isinstance(status, dict) else []
