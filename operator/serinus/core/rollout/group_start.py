"""Whether the members of a group may start together: each starts its own rollout, none before all of them could."""

from __future__ import annotations

from dataclasses import dataclass, replace

from serinus.api.defaults import policy_of
from serinus.api.group import MemberStanding
from serinus.api.status import Phase
from serinus.core.model.group import Member
from serinus.core.model.snapshot import Obstacle, Snapshot
from serinus.core.rollout.reasons import RolloutReason


@dataclass(frozen=True)
class GroupWait(Obstacle):
    """Why a member may not start yet; `for_people` when it takes a person, and not just another commit."""

    for_people: bool = False


def group_wait(seen: Snapshot) -> GroupWait | None:
    """What keeps a member with a stable revision from starting."""
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
    group, own = seen.deployment.spec.group, len(policy_of(seen.deployment.spec).strategy.canary.steps)
    if member.steps != own:
        return _wait(f"it has {member.steps} steps, and this one {own}: set as many in both", for_people=True)
    walking = member.walking(group)
    if walking is None and member.standing is MemberStanding.TRYING:
        return _wait("its rollout has just ended")
    if walking is not None and walking.state.phase is Phase.GUARDING:
        return _wait(f"{walking.plan.name} is in its guard window")
    return None


def _wait(why: str, *, for_people: bool = False) -> GroupWait:
    return GroupWait(RolloutReason.WAITING_FOR_GROUP, why, for_people)
