"""Whether the members of a group may start together: each starts its own rollout, none before all of them could."""

from __future__ import annotations

from dataclasses import dataclass, replace

from serinus.api.defaults import policy_of, unlisted_steps
from serinus.api.group import MemberStanding
from serinus.api.status import Phase
from serinus.core.model.group import MOST_MEMBERS, Member
from serinus.core.model.snapshot import Obstacle, Snapshot
from serinus.core.rollout.reasons import RolloutReason


@dataclass(frozen=True)
class GroupWait(Obstacle):
    """Why a member may not start yet; `for_people` when it takes a person, and not just another commit."""

    for_people: bool = False


def group_wait(seen: Snapshot) -> GroupWait | None:
    """What keeps a member with a stable revision from starting."""
    group = seen.deployment.spec.group
    if group is not None and len(seen.members) >= MOST_MEMBERS:
        text = f"group {group.name} has more than {MOST_MEMBERS} members: split it"
        return _wait(text, for_people=True)
    for member in seen.members:
        held = _held_by(member, seen)
        if held is not None:
            return replace(held, message=f"waits for {member.name}: {held.message}")
    return None


def _held_by(member: Member, seen: Snapshot) -> GroupWait | None:
    """Why a member holds the start of the others."""
    group = seen.deployment.spec.group
    if member.unreadable or group is None:
        return _wait(member.unreadable, for_people=True)
    if member.release != group.release:
        return _wait(f"it shows release {member.release}, and this one {group.release}")
    match member.standing:
        case MemberStanding.SERVES:
            return None
        case MemberStanding.READY | MemberStanding.TRYING:
            return _out_of_step(member, seen)
        case MemberStanding.REJECTED:
            return _wait(f"{member.why}: commit a fix there, or retry it", for_people=True)
        case _:
            return _wait(member.why)


def _out_of_step(member: Member, seen: Snapshot) -> GroupWait | None:
    """Why a member that moves cannot be moved with."""
    group, spec = seen.deployment.spec.group, seen.deployment.spec
    own = len(policy_of(spec).strategy.canary.steps)
    if member.steps != own:
        theirs, ours = (
            _counted(member.steps, " steps", member.strategy),
            _counted(own, "", unlisted_steps(spec.strategy)),
        )
        return _wait(f"it has {theirs}, and this one {ours}: all members need as many", for_people=True)
    walking = member.walking(group)
    if walking is None and member.standing is MemberStanding.TRYING:
        return _wait("its rollout has just ended")
    if walking is not None and walking.state.phase is Phase.GUARDING:
        return _wait(f"{walking.plan.name} is in its guard window")
    return None


def _counted(steps: int, unit: str, strategy: str) -> str:
    return f"{steps}{unit} ({strategy})" if strategy else f"{steps}{unit}"


def _wait(why: str, *, for_people: bool = False) -> GroupWait:
    return GroupWait(RolloutReason.WAITING_FOR_GROUP, why, for_people)
