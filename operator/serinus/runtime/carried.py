"""Which live children were found to carry which wish: while both are the same there is nothing to render or compare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from serinus.core.model.kinds import Kind
from serinus.core.model.revision import Revision
from serinus.core.plan.wanted import Workload

LiveChildren: TypeAlias = tuple[tuple[Kind, str, int], ...]
"""By kind, name and resourceVersion."""


@dataclass(frozen=True, slots=True)
class Carried:
    """The wish, or while nobody looks its digest; and the children that carry it."""

    wish: tuple[object, ...] | None
    live: LiveChildren
    digest: bytes = b""
    """Of the wish, where that is in brief or has been."""

    def holds(self, wish: tuple[object, ...]) -> bool:
        """Whether it is this very wish that is carried."""
        return self.wish == wish if self.wish is not None else self.digest == digest_of(wish)

    def in_brief(self) -> Carried:
        """Keep the digest of the wish alone."""
        return self if self.wish is None else Carried(None, self.live, self.digest or digest_of(self.wish))


def digest_of(wish: Iterable[object]) -> bytes:
    """Digest a wish. Of a revision that is on record its uid stands for what is immutable: template and probe.

    Two wishes of one digest are one, within a process; of one wish written in two ways there may be two digests.
    """
    return hashlib.sha256(repr([_in_brief(part) for part in wish]).encode()).digest()[:16]


def _in_brief(part: object) -> object:
    if isinstance(part, Revision):
        return replace(part, template={}, probe=None) if part.uid else part
    if isinstance(part, Workload):
        return _in_brief(part.revision), part.replicas
    if isinstance(part, tuple):
        return [_in_brief(one) for one in part]
    return part
