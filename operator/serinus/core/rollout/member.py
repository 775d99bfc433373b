"""What a member of a group tells the others of itself, beside its Rollout."""

from __future__ import annotations

from collections.abc import Iterable

from serinus.api.group import MemberStanding, MemberStatus
from serinus.api.model_deployment import Rejection
from serinus.core.model.rollout import LONGEST_TEXT, shortened
from serinus.core.model.snapshot import Obstacle, RolloutSeen, Snapshot
from serinus.core.rollout.decision import NewRollout
from serinus.core.rollout.group_start import group_wait
from serinus.core.rollout.start import barred_by


def member_status(
    seen: Snapshot,
    stable: str | None,
    active: RolloutSeen | None,
    start: NewRollout | None,
    rejected: Iterable[Rejection],
) -> MemberStatus | None:
    """Say where it stands in its release; None outside of groups."""
    group = seen.deployment.spec.group
    if group is None:
        return None
    standing, why = _under_way(seen, active) if active is not None else _at_rest(seen, stable, start, rejected)
    message = shortened(why, LONGEST_TEXT) if why else None
    return MemberStatus(release=group.release, standing=standing, message=message)


def _under_way(seen: Snapshot, active: RolloutSeen) -> tuple[MemberStanding, str]:
    plan = active.plan
    if plan.stable is None:
        return MemberStanding.BLOCKED, _not_serving(seen.in_the_way or seen.fleet(plan.canary).obstacle)
    if active.state.phase.ended:
        return MemberStanding.BLOCKED, f"{plan.name} has ended, and its traffic is still on its way back"
    if plan.spec.group != seen.deployment.spec.group:
        return MemberStanding.BLOCKED, f"{plan.name} is not of this release, and has not ended yet"
    return MemberStanding.TRYING, ""


def _at_rest(
    seen: Snapshot, stable: str | None, start: NewRollout | None, rejected: Iterable[Rejection]
) -> tuple[MemberStanding, str]:
    wanted = seen.wanted
    if stable is None:
        return MemberStanding.BLOCKED, _not_serving(seen.in_the_way or seen.awaited)
    if start is not None:
        return MemberStanding.TRYING, ""
    if wanted is not None and wanted.name == stable:
        return MemberStanding.SERVES, ""
    if wanted is None or seen.in_the_way is not None:
        return MemberStanding.BLOCKED, _obstacle(seen)
    rejection = barred_by(seen, rejected)
    if rejection is None:
        held = group_wait(seen)
        return MemberStanding.READY, held.message if held else ""
    text = f"version {rejection.version} was rolled back by {rejection.rollout} ({rejection.reason})"
    return MemberStanding.REJECTED, text


def _obstacle(seen: Snapshot) -> str:
    """Say what is in its own way."""
    return _told(seen.in_the_way or seen.awaited) or "what its spec asks for is not known yet"


def _not_serving(obstacle: Obstacle | None) -> str:
    """Say that there is nothing yet to be replaced, and why."""
    why = _told(obstacle)
    return f"its first revision does not serve yet: {why}" if why else "its first revision does not serve yet"


def _told(obstacle: Obstacle | None) -> str:
    return f"{obstacle.reason}: {obstacle.message}" if obstacle else ""
