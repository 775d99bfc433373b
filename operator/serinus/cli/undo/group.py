"""The other members of a group: which of them do not go back with one that is undone alone."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.group import MemberStanding
from serinus.api.parsing import ModelDeploymentView, parse_model_deployment, parse_rollout
from serinus.api.problems import ApiError
from serinus.cli.cluster import UserCluster
from serinus.cli.story import Story, members_beside
from serinus.core.model.kinds import Json


@dataclass(frozen=True)
class GroupBeside:
    """The other members, and the version of each that came with the same release, or is about to."""

    release: str = ""
    names: tuple[str, ...] = ()
    staying: tuple[tuple[str, str], ...] = ()
    """Name and version: whoever has nothing new in this release need not go back."""


NO_GROUP = GroupBeside()


def group_beside(cluster: UserCluster, story: Story) -> GroupBeside:
    """Read the other members of the group of a ModelDeployment."""
    view = story.deployment
    group = view.spec.group
    if group is None:
        return NO_GROUP
    others = members_beside(cluster, view)
    names = tuple(str(one["metadata"]["name"]) for one in others)
    staying = [
        (name, _version(one)) for name, one in zip(names, others, strict=True) if _moved(cluster, one, group.release)
    ]
    return GroupBeside(group.release, names, tuple(staying))


def _version(manifest: Json) -> str:
    return str((manifest["spec"].get("model") or {}).get("version", "?"))


def _moved(cluster: UserCluster, manifest: Json, release: str) -> bool:
    """Whether a member has, or wants, something new of the release; one that cannot be read may have."""
    try:
        view = parse_model_deployment(manifest)
        rollouts = [parse_rollout(one) for one in cluster.rollouts(view.name)]
    except ApiError:
        return True
    came = any(one.spec.group is not None and one.spec.group.release == release for one in rollouts)
    return _shows(view, release) and (came or _wants(view, release))


def _shows(view: ModelDeploymentView, release: str) -> bool:
    return view.spec.group is not None and view.spec.group.release == release


def _wants(view: ModelDeploymentView, release: str) -> bool:
    told = view.status.group
    return told is not None and told.release == release and told.standing is not MemberStanding.SERVES
