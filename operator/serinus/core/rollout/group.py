"""What a rollout owes to the other members of its group: no step before they may take it, and no way but theirs.

Nobody writes for another. Each member stores the step that everything of its own allows (`ready_for`), and takes it
once every other member has stored the same, or is past it. So members are one step apart at most, wherever the
operator is killed.
"""

from __future__ import annotations

from serinus.api.group import GroupMembership, MemberStanding
from serinus.api.status import Phase
from serinus.core.model.group import MOST_MEMBERS, Member, MemberRollout, position
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.model.values import revised
from serinus.core.rollout.question import Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause

FAILED = frozenset({Phase.REVERTED, Phase.ABORTED})
AT_REST = frozenset({MemberStanding.SERVES, MemberStanding.READY, MemberStanding.REJECTED})
OF_OTHERS = frozenset({RolloutReason.WAITING_FOR_GROUP, RolloutReason.GROUP_BEHIND})
"""Reasons whose message is about another member: who quoted it would tell of a third one, or of itself."""


def companions(plan: RolloutPlan, seen: Snapshot) -> tuple[Member, ...]:
    """The members that a rollout moves with; none for one outside of groups, or whose spec has left the group."""
    began, now = plan.spec.group, seen.deployment.spec.group
    return seen.members if began is not None and now is not None and began.name == now.name else ()


def kept_in_step(rollout: RolloutSeen, members: tuple[Member, ...]) -> RolloutSeen:
    """Have a rollout that need not wait take each step all the same while another member must."""
    group = rollout.plan.spec.group
    if group is None or not rollout.plan.free:
        return rollout
    others = (member.walking(group) for member in members)
    in_step = any(not other.plan.free for other in others if other is not None)
    return revised(rollout, plan=revised(rollout.plan, in_step=in_step))


def with_others_seen(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> RolloutState:
    """Remember whom the rollout moves with: by name, since two replicas may have two clocks."""
    others, known = companions(plan, seen), state.walked_with
    walking = (member.walking(plan.spec.group) for member in others)
    news = tuple(one.plan.name for one in walking if one is not None and one.plan.name not in known)
    if len(known) + len(news) > MOST_MEMBERS:
        # Only the newest Rollout of a member is ever asked about; what is known of one is never given up for another.
        newest = {member.rollout.plan.name for member in others if member.rollout is not None}
        known = tuple(name for name in known if name in newest)
    known = (*known, *news)[:MOST_MEMBERS]
    return state if known == state.walked_with else revised(state, walked_with=known)


def waits_for_group(question: Question) -> Cause | None:
    """The last gate of a step: every other member may take it, or has taken it.

    Of several that hold it, one is named that has a reason of its own.
    """
    plan, state = question.plan, question.state
    holding = [
        (_waits_itself(member, plan.spec.group), f"waits for {member.name}: {why}")
        for member in companions(plan, question.seen)
        if (why := _not_as_far(member, plan, state))
    ]
    return Cause(RolloutReason.WAITING_FOR_GROUP, min(holding)[1], state.verdict) if holding else None


def _not_as_far(member: Member, plan: RolloutPlan, state: RolloutState) -> str:
    """Why a member holds the step; empty when it does not."""
    if member.unreadable:
        return member.unreadable
    group, at = plan.spec.group, position(state)
    if succeeded_beside(member, group, state) or (state.phase is Phase.GUARDING and _at_rest_beside(member, state)):
        return ""
    walking = member.walking(group)
    if walking is None:
        return _not_there(member, group)
    theirs, ours = len(walking.plan.steps), len(plan.steps)
    if theirs != ours:
        return f"{walking.plan.name} has {theirs} steps, and this rollout has {ours}"
    if position(walking.state) > at or walking.state.ready_for == at:
        return ""
    return _where(walking)


def _not_there(member: Member, group: GroupMembership | None) -> str:
    """Why a member without a rollout of the release holds the step; one that serves the release does not."""
    if group is None or member.release != group.release:
        return f"it shows release {member.release}"
    if member.standing is MemberStanding.SERVES:
        return ""
    # Whom a member that is Ready waits for is no reason of its own.
    own = "" if member.standing is MemberStanding.READY else member.why
    return own or "its rollout has not begun"


def _waits_itself(member: Member, group: GroupMembership | None) -> bool:
    """Whether all that a member has to say is that it waits for others."""
    walking = member.walking(group)
    return member.standing is MemberStanding.READY if walking is None else walking.state.reason in OF_OTHERS


def _where(rollout: MemberRollout) -> str:
    """Say which step a member is at now, and its own reason to be there; never what it says of a third one."""
    state, steps = rollout.state, len(rollout.plan.steps)
    guards = state.phase is Phase.GUARDING
    at = "in its guard window" if guards else f"at step {min(state.step + 1, steps)}/{steps}"
    if state.reason in OF_OTHERS:
        return f"{rollout.plan.name} is {at}"
    return f"{rollout.plan.name} is {at}: {state.message or state.reason or state.phase}"


def succeeded_beside(member: Member, group: GroupMembership | None, state: RolloutState) -> bool:
    """Whether a member's rollout of the release has succeeded while this one was under way: there is no way back."""
    found = member.rollout_of(group)
    return found is not None and found.state.phase is Phase.SUCCEEDED and found.ended_beside(state)


def _at_rest_beside(member: Member, state: RolloutState) -> bool:
    """Whether a member serves all along what it served when the rollout began: the pair that the guard has shown.

    What it asks for by now comes after the guard. To wait for that would be for ever: it waits for the guard's end.
    """
    found = member.rollout
    moves = found is not None and (not found.state.phase.ended or found.plan.name in state.walked_with)
    return member.standing in AT_REST and not moves


def fault_of_another(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Cause | None:
    """Why the rollout goes back for another member; the one at fault is named, and not one that followed it."""
    group, causes = plan.spec.group, []
    for member in companions(plan, seen):
        found = member.rollout_of(group)
        if found is not None and found.state.phase in FAILED and found.ended_beside(state):
            followed = found.state.reason == RolloutReason.GROUP_REVERTED
            text = f"{found.state.reason}: {found.state.message}"
            said = f"{member.name} was at fault ({found.plan.name}): {text}"
            causes.append((followed, found.state.message or said if followed else said))
        elif _is_rejected(member, group):
            causes.append((False, f"{member.name} was at fault: {member.why}"))
    return Cause(RolloutReason.GROUP_REVERTED, min(causes)[1]) if causes else None


def _is_rejected(member: Member, group: GroupMembership | None) -> bool:
    """Whether a member's own word is that its pair is rejected; a retry under way says otherwise before it does."""
    if group is None or member.release != group.release or member.walking(group) is not None:
        return False
    return member.standing is MemberStanding.REJECTED


def release_left(plan: RolloutPlan, state: RolloutState, seen: Snapshot, *, finishes: bool) -> Cause | None:
    """Why the release is no longer wanted: a member has gone back, or shows another one, unless ours finishes first."""
    group = plan.spec.group
    others = companions(plan, seen)
    gone = []
    for member in others:
        found = member.rollout_of(group)
        if found is not None and found.state.phase is Phase.SUPERSEDED and found.ended_beside(state):
            followed = found.state.reason == RolloutReason.GROUP_SUPERSEDED
            said = f"{member.name} has left the release: {found.state.message or found.state.reason}"
            gone.append((followed, found.state.message or said if followed else said))
    if gone:
        return Cause(RolloutReason.GROUP_SUPERSEDED, min(gone)[1])
    if finishes:
        return None
    left = (one for one in others if _shows_another(one, group) and not succeeded_beside(one, group, state))
    elsewhere = next(left, None)
    if elsewhere is not None:
        return Cause(RolloutReason.GROUP_SUPERSEDED, f"{elsewhere.name} shows release {elsewhere.release}")
    return _own_release_left(plan, seen)


def _own_release_left(plan: RolloutPlan, seen: Snapshot) -> Cause | None:
    """Why the release is no longer wanted although the revision is: the spec itself shows another one."""
    began, now = plan.spec.group, seen.deployment.spec.group
    if began is None or now is None or now.name != began.name or now.release == began.release:
        return None
    return Cause(RolloutReason.GROUP_SUPERSEDED, f"the spec shows release {now.release}")


def is_hurried(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> bool:
    """Whether a guard should end before its time, for all members or for none: another release is wanted."""
    group, now, wanted = plan.spec.group, seen.deployment.spec.group, seen.wanted
    others = companions(plan, seen)
    if group is None or not others:
        return False
    leaves = wanted is not None and wanted.name != plan.canary
    return leaves or now != group or any(_shows_another(one, group) for one in others)


def _shows_another(member: Member, group: GroupMembership | None) -> bool:
    return group is not None and member.release is not None and member.release != group.release


def left_behind(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Cause | None:
    """Why the rollout begins again: another member has, and they are more than a step apart."""
    group = plan.spec.group
    if plan.straight or any(succeeded_beside(one, group, state) for one in companions(plan, seen)):
        return None
    behind = []
    for member in companions(plan, seen):
        walking = member.walking(group)
        if walking is not None and position(state) > position(walking.state) + 1:
            behind.append((walking.state.reason in OF_OTHERS, f"{member.name} is behind: {_where(walking)}"))
    return Cause(RolloutReason.GROUP_BEHIND, min(behind)[1]) if behind else None
