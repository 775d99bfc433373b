"""Which revision a spec with a ConfigMap model means: pinned by the content of model and runtime, not by a generation.

One apply may write the ConfigMap after its ModelDeployment. So nothing is read in the first second; for half a minute
a changed ConfigMap makes another revision of the same spec; and it is read once more before the files are pinned, which
happens at once when the rollout succeeds. After that an edit has no effect until model or runtime changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.core.model.revision import Revision, revision_hash, wish_digest
from serinus.core.plan.revisions import revision_name
from serinus.core.plan.storage import source_config_map

SETTLE_SECONDS = 1.0
"""How long a wish is left alone before it is read or written: a way back to a kept revision waits for neither."""
LOOK_SECONDS = 2.0
"""How often the ConfigMap is looked at while its files may still change."""
FILES_SECONDS = 30.0
"""How long after a change of model or runtime a changed ConfigMap still belongs to it."""
ABSENT_SECONDS = 10.0
"""How often a ConfigMap that has been absent for longer than that is looked for."""


def answer(kept: Iterable[Revision], owner_name: str, spec: ModelDeploymentSpec) -> Revision | None:
    """Find the kept revision that a spec asks for: by its hash, or by its wish with a ConfigMap; raises InvalidSpec."""
    if source_config_map(spec.model.storage_uri) is not None:
        return pinned(kept, wish_digest(spec))
    wanted = revision_name(owner_name, revision_hash(spec))
    return next((revision for revision in kept if revision.name == wanted), None)


def pinned(kept: Iterable[Revision], wish: str) -> Revision | None:
    """Find the revision that answered a wish last."""
    return _latest(revision for revision in kept if revision.wish == wish)


def asked_last(kept: Iterable[Revision], wish: str) -> bool:
    """Whether no other wish has been asked for since; also while no revision says what was asked for."""
    latest = _latest(kept)
    return latest is None or latest.wish == wish


def next_wished_at(kept: Sequence[Revision], now: float) -> float:
    """Date a wish after all others, whatever a clock that was set back says."""
    latest = _latest(kept)
    return now if latest is None or latest.wished_at is None else max(now, round(latest.wished_at + 0.001, 3))


def files_until(revision: Revision, now: float) -> float | None:
    """Tell until when a kept revision's files may change; None when they are pinned."""
    done = revision.succeeded_at is not None and revision.succeeded_at >= (revision.wished_at or 0.0)
    return now if done and revision.files_until is not None else revision.files_until


def files_settled(until: float, now: float) -> bool:
    """Whether this is the last look: the time is over, or a clock was set back so far that it never would be."""
    return not 0 < until - now <= 2 * FILES_SECONDS


def _latest(revisions: Iterable[Revision]) -> Revision | None:
    marked = (revision for revision in revisions if revision.wished_at is not None)
    return max(marked, key=lambda revision: revision.wished_at or 0.0, default=None)
