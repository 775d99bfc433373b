"""What the user wants of every rule of a route, whoever answers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from serinus.api.durations import seconds
from serinus.api.retries import Retries
from serinus.api.session_affinity import COOKIE_NAME, MAX_AGE, SessionAffinity
from serinus.api.traffic import Traffic
from serinus.core.model.matches import By, Match, Part
from serinus.core.model.split import Split
from serinus.core.serving.interface import Interface
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.traffic.paths import claimed_paths

GRPC_RULE: Final = "grpc"
"""Names the rule for gRPC, where there is one."""
COHORT: Final = "-cohort"
"""Ends the name of a cohort's rule; no revision's name does."""
SET_COOKIE: Final = "set-cookie"
REVISION_HEADER: Final = "x-serinus-revision"
"""Of an answer: the name of the revision's Service."""


_COOKIE: Final = re.compile(
    r"(?P<name>[^=;]+)=[^;]*; Path=(?P<path>/[^;]*); Max-Age=(?P<age>[0-9]+); HttpOnly; SameSite=Lax"
)


@dataclass(frozen=True)
class Affinity:
    """A cookie that keeps a user with the revision that answered first, for so many seconds, below a path."""

    cookie: str
    max_age_s: int
    path: str = "/"

    @classmethod
    def of(cls, wish: SessionAffinity | None, prefix: str) -> Self | None:
        """Fill in what the user left out; models that share a host have cookies of one name, each below its prefix."""
        if wish is None:
            return None
        return cls(wish.cookie.name or COOKIE_NAME, int(seconds(wish.cookie.max_age or MAX_AGE)), prefix or "/")

    def set_by(self, revision: str, split: Split) -> str:
        """Write the header by which a revision of a split keeps a user."""
        value = _drawn(revision, split)
        return f"{self.cookie}={value}; Path={self.path}; Max-Age={self.max_age_s}; HttpOnly; SameSite=Lax"

    def match(self, revision: str, split: Split) -> Match:
        """Tell the requests of the users that it keeps."""
        return Match(Part.COOKIE, self.cookie, By.EXACT, _drawn(revision, split))

    @classmethod
    def read(cls, header: str | None) -> Self | None:
        """Read what `set_by` has written."""
        found = _COOKIE.fullmatch(header or "")
        return cls(found["name"], int(found["age"]), found["path"]) if found else None


def _drawn(revision: str, split: Split) -> str:
    """Say which revision a user has drawn, and beside which canary: each canary draws all users anew.

    A user who stayed with stable in an earlier rollout would else never see this one's canary.
    """
    return f"{revision}.{split.revisions[-1].rpartition('-')[2]}"


@dataclass(frozen=True)
class RuleSettings:
    """The same for all rules of a route: its paths, its time, its retries, and whether answers name their revision.

    Below a `prefix` there is HTTP alone: the path of a call of gRPC is its method, which takes no prefix.

    A live route is known as ours by rendering its split anew. For that its settings are read back from its last rule:
    a rule that differs from the others, or has anything more, is somebody else's work, whatever the settings are.
    """

    all_paths: bool = False
    interface: Interface = OPEN_INFERENCE
    prefix: str = ""
    timeout: str | None = None
    attempts: int = 0
    per_try_timeout: str | None = None
    retry_on: tuple[str, ...] = ()
    revision_header: bool = False
    affinity: Affinity | None = None

    @classmethod
    def of(cls, traffic: Traffic | None, interface: Interface = OPEN_INFERENCE) -> Self:
        """Fill in what the user left out; `interface` is that of the servers behind the route."""
        wanted = traffic or Traffic()
        retries = wanted.retries or Retries()
        return cls(
            all_paths=bool(wanted.all_paths),
            interface=interface,
            prefix=wanted.path_prefix or "",
            timeout=wanted.timeout,
            attempts=retries.attempts or 0,
            per_try_timeout=retries.per_try_timeout,
            retry_on=tuple(each.value for each in retries.retry_on or ()),
            revision_header=wanted.revision_header is not False,
            affinity=Affinity.of(wanted.session_affinity, wanted.path_prefix or ""),
        )

    @property
    def claims(self) -> frozenset[str]:
        """What the path of every admitted request begins with."""
        return claimed_paths(self.prefix, self.interface, all_paths=self.all_paths)

    def keeps_users(self, split: Split) -> bool:
        """Whether users stay where they are: only while both revisions get some, so that an end beats stickiness."""
        return self.affinity is not None and len(split.weights) > 1 and all(weight for _, weight in split.weights)
