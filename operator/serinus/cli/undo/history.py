"""The kept revisions of a ModelDeployment, read as the operator reads them, and which of them to go back to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.cli.cluster import UserCluster
from serinus.cli.errors import Refused
from serinus.cli.moments import clock_time
from serinus.cli.story import Story
from serinus.core.model.errors import InvalidSpec
from serinus.core.model.identity import controller_uid
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import from_status, read_plan
from serinus.core.model.snapshot import RolloutSeen, Snapshot
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.plan.revisions import read_revision, recorded_spec
from serinus.core.plan.wishes import answer
from serinus.core.rollout.history import stable_revision
from serinus.core.rollout.undo import served_before

NOT_OURS = (ValueError, TypeError, KeyError, AttributeError)
"""What reading a ControllerRevision raises that this version did not write."""
FROM_GIT = "take its manifest from git"


@dataclass(frozen=True)
class KeptRevisions:
    """What decisions would see, and the ControllerRevisions by name, those included that cannot be read."""

    seen: Snapshot
    manifests: dict[str, Json] = field(repr=False)

    @property
    def name(self) -> str:
        return self.seen.deployment.name

    def spec_of(self, revision: Revision) -> ModelDeploymentSpec:
        """Put what a revision recorded into the spec of now; raises Refused."""
        try:
            return recorded_spec(self.manifests[revision.name], self.seen.deployment.spec)
        except NOT_OURS as error:
            where = f"ControllerRevision {revision.name} cannot give back version {revision.version}"
            raise Refused(f"{where}: {str(error) or type(error).__name__}; {FROM_GIT}") from error


def read_kept(cluster: UserCluster, story: Story) -> KeptRevisions:
    """Read the revisions that a ModelDeployment owns; one that cannot be read is none to go back to."""
    view = story.deployment
    manifests = {
        one["metadata"]["name"]: one for one in cluster.controller_revisions(view.name) if _owned(one, view.uid)
    }
    read = sorted(filter(None, map(_revision, manifests.values())), key=lambda one: one.number)
    said = view.status.stable
    if said is not None and said.revision in manifests and all(one.name != said.revision for one in read):
        raise Refused(f"{_unread(said.revision)}, and it serves: {FROM_GIT}")
    rollouts = [RolloutSeen(read_plan(one), from_status(one.status)) for one in story.rollouts if not one.deleting]
    try:
        wanted = answer(read, view.name, view.spec)
    except InvalidSpec:
        wanted = None
    return KeptRevisions(Snapshot(view, tuple(read), wanted, rollouts=tuple(rollouts)), manifests)


def _unread(name: str) -> str:
    return f"ControllerRevision {name} cannot be read by this version of serinus"


def _owned(manifest: Json, uid: str) -> bool:
    return controller_uid(manifest) == uid and not manifest["metadata"].get("deletionTimestamp")


def _revision(manifest: Json) -> Revision | None:
    try:
        return read_revision(manifest)
    except NOT_OURS:
        return None


def target_of(kept: KeptRevisions, named: str | None) -> Revision:
    """Choose what to go back to: what was named, else what served before; raises Refused, which lists what there is."""
    target = _served_before(kept) if named is None else named_revision(kept, named)
    wanted = kept.seen.wanted
    if wanted is not None and target.name == wanted.name:
        raise Refused(
            f"nothing to undo: the spec of {kept.name} asks for version {wanted.version} ({wanted.name}) already"
        )
    return target


def named_revision(kept: KeptRevisions, named: str) -> Revision:
    """Find what a person names by version, name or hash; raises Refused, which lists what there is."""
    revisions = kept.seen.revisions
    found = [one for one in revisions if named in (one.name, one.hash)]
    found = found or [one for one in revisions if one.version == named]
    if len(found) == 1:
        return found[0]
    if found:
        text = f"{len(found)} revisions of {kept.name} are version {named}: name one of them with --to"
        raise Refused(f"{text}\n{listed(kept, found)}")
    if named in kept.manifests:
        raise Refused(f"{_unread(named)}: {FROM_GIT}")
    text = f"{kept.name} has no version or revision {named}"
    raise Refused(f"{text}; these are kept:\n{listed(kept, revisions)}" if revisions else f"{text}, and none is kept")


def _served_before(kept: KeptRevisions) -> Revision:
    found = served_before(kept.seen)
    if found is None:
        raise Refused(_nothing_before(kept))
    return found


def _nothing_before(kept: KeptRevisions) -> str:
    """Say why there is nothing to go back to."""
    seen, revisions = kept.seen, kept.seen.revisions
    stable, wanted = stable_revision(seen), seen.wanted
    if stable is not None and seen.revision(stable) is None:
        lost = _unread(stable) if stable in kept.manifests else f"ControllerRevision {stable} is gone"
        return f"{lost}, and it serves: {FROM_GIT}"
    if not revisions:
        return f"no revision of {kept.name} is recorded yet: serinus status {kept.name} tells why"
    others = [one for one in revisions if wanted is None or one.name != wanted.name]
    if others:
        return f"no other revision of {kept.name} has served yet; name one with --to:\n{listed(kept, others)}"
    only = revisions[-1]
    if only.number > 1:
        limit = seen.deployment.spec.revision_history_limit
        return f"no revision before version {only.version} is kept (revisionHistoryLimit is {limit}): {FROM_GIT}"
    return f"version {only.version} is the first revision of {kept.name}: nothing served before it"


def listed(kept: KeptRevisions, revisions: Iterable[Revision]) -> str:
    """List revisions in columns, newest first: version, name, when, and what is so now."""
    rows = [_row(kept, one) for one in sorted(revisions, key=lambda one: -one.number)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)) for row in rows)
    return "\n".join(f"  {line}".rstrip() for line in lines)


def _row(kept: KeptRevisions, one: Revision) -> tuple[str, ...]:
    wanted, stable = kept.seen.wanted, stable_revision(kept.seen)
    when = "recorded" if one.succeeded_at is None else "succeeded"
    at = clock_time(to_rfc3339(one.succeeded_at or one.created_at))
    now = [
        word for word, revision in (("serves", stable), ("in the spec", wanted and wanted.name)) if revision == one.name
    ]
    return one.version, one.name, f"{when} {at}", ", ".join(now)
