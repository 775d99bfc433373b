"""What history is old enough to go."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from serinus.core.model.revision import Revision


def obsolete_revisions(revisions: Iterable[Revision], *, keep: Collection[str], limit: int) -> tuple[str, ...]:
    """Name the revisions beyond the newest `limit`, oldest first; those in `keep` stay and do not count.

    `keep` holds the wanted, stable and canary revision. A rejected revision is history like any other, so its rejection
    lasts as long as the limit lets it.
    """
    return _beyond({revision.name: (revision.number, revision.created_at) for revision in revisions}, keep, limit)


def obsolete_rollouts(created: Mapping[str, float], *, keep: Collection[str], limit: int) -> tuple[str, ...]:
    """Name the ended rollouts beyond the newest `limit` by creation time, oldest first; those in `keep` stay."""
    return _beyond({name: (0, at) for name, at in created.items()}, keep, limit)


def _beyond(ages: Mapping[str, tuple[int, float]], keep: Collection[str], limit: int) -> tuple[str, ...]:
    past = sorted((age, name) for name, age in ages.items() if name not in keep)
    return tuple(name for _, name in past[: max(0, len(past) - limit)])
