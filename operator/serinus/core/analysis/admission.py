"""Whose series are counted, and who else reports requests of the same revisions: those are told of and not counted."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from serinus.core.analysis.exposition import Meaning, Owner, Reader
from serinus.core.analysis.scope import Scope, reporter_of


class Admission:
    """Reads the series that a gateway of ours reports, and remembers who else reports requests of a revision.

    It knows nothing of whoever counts them. Two that know each other are freed only when the garbage collector finds
    them, and in an operator that seldom looks (`cli/operator.py`).
    """

    def __init__(self, read: Reader, scope: Scope) -> None:
        self.now = 0.0
        """When what is read was answered (unix seconds)."""
        self._read = read
        self._scope = scope
        self._strangers: dict[Owner, dict[str, float]] = {}

    def read(self, labels: Mapping[str, str]) -> Meaning | None:
        """Tell what a series of ours means; None of one that is not counted."""
        meaning = self._read(labels)
        if meaning is None or self._scope.admits(labels):
            return meaning
        self._strangers.setdefault(meaning.owner, {})[reporter_of(labels)] = self.now
        return None

    def strangers(self, owner: Owner, since: float) -> tuple[str, ...]:
        """Name who else has reported requests of a revision after a time."""
        return tuple(sorted(name for name, at in self._strangers.get(owner, {}).items() if at > since))

    def forget(self, limit: float, owners: Collection[Owner]) -> None:
        """Drop who has not been heard of since a time, and what was heard of revisions that nobody asks for."""
        for owner in owners:
            self._strangers.pop(owner, None)
        for names in self._strangers.values():
            for name in [name for name, at in names.items() if at < limit]:
                del names[name]
