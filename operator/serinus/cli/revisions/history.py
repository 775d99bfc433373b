"""Every kept revision of a ModelDeployment: what it is made of, what became of it, and who judged it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serinus.cli.moments import clock_time
from serinus.cli.undo.history import KeptRevisions
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import RolloutSeen
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.rollout.history import stable_revision


@dataclass(frozen=True)
class PastRevision:
    """One revision, with the rollouts that tried it, the newest last, and what is so of it now."""

    revision: Revision
    rollouts: tuple[RolloutSeen, ...]
    serves: bool
    wanted: bool
    uri: str = ""
    lineage: Mapping[str, str] = field(default_factory=dict)

    @property
    def now(self) -> str:
        """Say what is so now."""
        said = [("serves", self.serves), ("in the spec", self.wanted and not self.serves)]
        return ", ".join(word for word, so in said if so)

    @property
    def model(self) -> str:
        """Say what its pods hold: where it lies, and of what was fetched also the digest."""
        artifact = self.revision.artifact
        return f"{artifact.resolved}  {artifact.digest}" if artifact else self.uri

    @property
    def since(self) -> str:
        """Say since when it was stable, or that it never was."""
        at = self.revision.succeeded_at
        return f"since {clock_time(to_rfc3339(at))}" if at else "never"


def past_revisions(kept: KeptRevisions) -> tuple[PastRevision, ...]:
    """List the revisions, newest first."""
    seen, stable = kept.seen, stable_revision(kept.seen)
    return tuple(
        PastRevision(
            one,
            tuple(rollout for rollout in seen.rollouts if rollout.plan.canary == one.name),
            serves=one.name == stable,
            wanted=seen.wanted is not None and one.name == seen.wanted.name,
            uri=str(_recorded(kept, one).get("storageUri") or ""),
            lineage=lineage_of(one, _recorded(kept, one)),
        )
        for one in sorted(seen.revisions, key=lambda revision: -revision.number)
    )


def _recorded(kept: KeptRevisions, revision: Revision) -> Json:
    """Give the model as the user wrote it."""
    spec = kept.manifests[revision.name]["data"].get("spec") or {}
    return dict(spec.get("model") or {})


def lineage_of(revision: Revision, model: Json) -> dict[str, str]:
    """Tell where a model comes from: what its store knows, and over it what the user wrote."""
    written = dict(model.get("lineage") or {})
    labels = written.pop("labels", None) or {}
    known = revision.artifact.lineage if revision.artifact else {}
    return {**known, **{name: str(value) for name, value in {**written, **labels}.items()}}


def history_page(name: str, past: Sequence[PastRevision], limit: int) -> RenderableType:
    """Lay it out; `limit` is how many are kept beside those in use."""
    if not past:
        return Text(f"no revision of {name} is recorded yet: serinus status {name} tells why")
    last = Text(f"kept: those in use, and the last {limit} others (revisionHistoryLimit)", style="dim")
    return Group(*(part for one in past for part in (_title(one), _facts(one))), last)


def _title(one: PastRevision) -> Text:
    now = (f"  {one.now}", "green" if one.serves else "yellow")
    return Text.assemble(("version ", ""), (one.revision.version, "bold"), f"  {one.revision.name}", now)


def _facts(one: PastRevision) -> Table:
    facts = Table.grid(padding=(0, 2))
    facts.add_row("", "model", one.model)
    if one.lineage:
        facts.add_row("", "lineage", "  ".join(f"{name} {value}" for name, value in one.lineage.items()))
    facts.add_row("", "stable", one.since)
    for rollout in one.rollouts:
        facts.add_row("", "rollout", _rollout(rollout))
    return facts


def _rollout(rollout: RolloutSeen) -> str:
    state = rollout.state
    reason = f" ({state.reason})" if state.reason and state.reason != state.phase else ""
    at = f"  {clock_time(to_rfc3339(state.finished_at))}" if state.finished_at else ""
    return f"{rollout.plan.name}  {state.phase}{reason}{at}"


def history_json(past: Sequence[PastRevision]) -> list[Json]:
    """Write it for scripts: the keys are a contract (docs/operations.md)."""
    return [_json(one) for one in past]


def _json(one: PastRevision) -> Json:
    revision = one.revision
    artifact = revision.artifact
    return {
        "version": revision.version,
        "revision": revision.name,
        "hash": revision.hash,
        "storageUri": one.uri or None,
        "digest": artifact.digest if artifact else None,
        "resolved": artifact.resolved if artifact else None,
        "lineage": dict(one.lineage),
        "recordedAt": to_rfc3339(revision.created_at),
        "stableSince": to_rfc3339(revision.succeeded_at) if revision.succeeded_at else None,
        "serves": one.serves,
        "inTheSpec": one.wanted,
        "rollouts": [
            {
                "name": rollout.plan.name,
                "phase": rollout.state.phase,
                "verdict": rollout.state.verdict,
                "reason": rollout.state.reason,
                "message": rollout.state.message,
                "finishedAt": to_rfc3339(rollout.state.finished_at) if rollout.state.finished_at else None,
            }
            for rollout in one.rollouts
        ],
    }
