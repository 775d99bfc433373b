"""The other members of a group, as one member's pass sees them: values out of what they have stored."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.group import GroupMembership, MemberStanding
from serinus.api.status import Phase
from serinus.core.model.rollout import RolloutPlan, RolloutState

MOST_MEMBERS = 64
"""A Rollout's status has room for as many names of others."""


@dataclass(frozen=True)
class MemberRollout:
    """The newest Rollout of a member."""

    plan: RolloutPlan
    state: RolloutState

    def ended_beside(self, own: RolloutState) -> bool:
        """Whether it has ended after it was seen under way beside another one: an earlier end is nobody's."""
        return self.state.phase.ended and self.plan.name in own.walked_with


@dataclass(frozen=True)
class Member:
    """Another ModelDeployment of the group. `unreadable` says why nothing else is known of it.

    `steps` is how many its policy has, and `strategy` what they are if its spec does not list them. `standing` and
    `why` are its own words; None while it has not looked at its newest spec.
    """

    name: str
    unreadable: str = ""
    release: str | None = None
    steps: int = 0
    strategy: str = ""
    standing: MemberStanding | None = None
    why: str = ""
    rollout: MemberRollout | None = None

    def rollout_of(self, group: GroupMembership | None) -> MemberRollout | None:
        """Its newest Rollout, if it is of this very release."""
        return self.rollout if self.rollout is not None and self.rollout.plan.spec.group == group else None

    def walking(self, group: GroupMembership | None) -> MemberRollout | None:
        """Its Rollout of this release, while that is under way."""
        found = self.rollout_of(group)
        return None if found is None or found.state.phase.ended else found


def position(state: RolloutState) -> int:
    """Tell how far a rollout is: the step that it is at, from 0; the guard comes after the last one."""
    return state.step + int(state.phase is Phase.GUARDING)
