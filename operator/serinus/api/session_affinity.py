"""Sticky users: whoever was answered by a revision stays with it while a rollout splits the requests."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from serinus.api.base import ApiModel
from serinus.api.constraints import AffinityCookieName, Interval

COOKIE_NAME: Final = "serinus-revision"
MAX_AGE: Final = "24h"


class AffinityCookie(ApiModel):
    """The cookie that the route sets."""

    name: AffinityCookieName | None = None
    """Its name; default serinus-revision."""
    max_age: Interval | None = None
    """How long a user stays with a revision at most; default 24h, at least 1s."""


class SessionAffinity(ApiModel):
    """How users stay with a revision."""

    cookie: Annotated[AffinityCookie, Field(default_factory=AffinityCookie)]
    """The cookie that the route sets; {} for the defaults."""
