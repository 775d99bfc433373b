"""What the user wants of every rule of a route, whoever answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from serinus.api.retries import Retries
from serinus.api.traffic import Traffic

REVISION_HEADER: Final = "x-serinus-revision"
"""Of an answer: the name of the revision's Service."""


@dataclass(frozen=True)
class RuleSettings:
    """The same for all rules of a route: its paths, its time, its retries, and whether answers name their revision.

    A live route is known as ours by rendering its split anew. For that its settings are read back from its last rule:
    a rule that differs from the others, or has anything more, is somebody else's work, whatever the settings are.
    """

    all_paths: bool = False
    timeout: str | None = None
    attempts: int = 0
    per_try_timeout: str | None = None
    retry_on: tuple[str, ...] = ()
    revision_header: bool = False

    @classmethod
    def of(cls, traffic: Traffic | None) -> Self:
        """Fill in what the user left out."""
        wanted = traffic or Traffic()
        retries = wanted.retries or Retries()
        return cls(
            all_paths=bool(wanted.all_paths),
            timeout=wanted.timeout,
            attempts=retries.attempts or 0,
            per_try_timeout=retries.per_try_timeout,
            retry_on=tuple(each.value for each in retries.retry_on or ()),
            revision_header=wanted.revision_header is not False,
        )
