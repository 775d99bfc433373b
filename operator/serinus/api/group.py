"""spec.group: ModelDeployments of one namespace that move together, and where each of them stands."""

from __future__ import annotations

from enum import StrEnum

from serinus.api.base import ApiModel
from serinus.api.constraints import Label, Text, Version


class GroupMembership(ApiModel):
    """The group, and the release of it that the spec belongs to."""

    name: Label
    """The group's name: every ModelDeployment of the namespace that names it is a member."""
    release: Version
    """Any text that all members share, such as a date or a tag. Rollouts start when all members show the same."""


class MemberStanding(StrEnum):
    """Where a member stands in its release."""

    SERVES = "Serves"
    READY = "Ready"
    TRYING = "Trying"
    REJECTED = "Rejected"
    BLOCKED = "Blocked"


class MemberStatus(ApiModel):
    """Where a ModelDeployment stands in its group; the other members read it."""

    release: Version
    """The release that this is about."""
    standing: MemberStanding
    """Serves what the release asks for, Ready to start, Trying, Rejected, or Blocked by something of its own."""
    message: Text | None = None
    """Why it is Rejected or Blocked, or whom it waits for."""
