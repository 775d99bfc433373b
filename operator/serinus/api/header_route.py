"""setHeaderRoute: which requests go to the canary whatever its weight, by a header or by a cookie."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from serinus.api.base import ApiModel
from serinus.api.constraints import CookieName, HeaderName, HeaderText, Regex
from serinus.api.rules import ATOMIC, rule, ruled

_ONE_WAY: Final = rule(
    "[has(self.exact), has(self.prefix), has(self.regex)].filter(given, given).size() == 1",
    "needs exactly one of exact, prefix and regex",
)
_ONE_PART: Final = rule(
    "has(self.headerName) != has(self.cookieName) && has(self.headerName) == has(self.headerValue) &&"
    " has(self.cookieName) == has(self.cookieValue)",
    "needs headerName and headerValue, or cookieName and cookieValue",
)

RESERVED: Final = ("authority", "cookie", "host", "method", "scheme", "uri")
"""Istio leaves out a match on four of these (headers of HTTPMatchRequest), and a rule without its match is everybody's;
a cookie has a form of its own, and a host chooses the route itself."""
_NOT_RESERVED: Final = rule(
    f"!has(self.headerName) || !(self.headerName.lowerAscii() in {list(RESERVED)})",
    f"headerName must be none of {', '.join(RESERVED)}; match a cookie by cookieName and cookieValue",
)


class ValueMatch(ApiModel):
    """What a value must be; one of the three."""

    model_config = ruled(_ONE_WAY)

    exact: HeaderText | None = None
    """The whole value."""
    prefix: HeaderText | None = None
    """How the value begins."""
    regex: Regex | None = None
    """A regular expression (RE2) that matches the whole value. For a cookie write [^;]* and not .*, which would read on
    into the next cookie."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if sum(way is not None for way in (self.exact, self.prefix, self.regex)) != 1:
            raise ValueError(_ONE_WAY["message"])
        return self


class RequestMatch(ApiModel):
    """One header, or one cookie."""

    model_config = ruled(_ONE_PART, _NOT_RESERVED)

    header_name: HeaderName | None = None
    """A header's name; case does not matter."""
    header_value: ValueMatch | None = None
    """What its value must be."""
    cookie_name: CookieName | None = None
    """A cookie's name."""
    cookie_value: ValueMatch | None = None
    """What its value must be."""

    @model_validator(mode="after")
    def _one_part(self) -> Self:
        header = (self.header_name is not None, self.header_value is not None)
        cookie = (self.cookie_name is not None, self.cookie_value is not None)
        if {header, cookie} != {(True, True), (False, False)}:
            raise ValueError(_ONE_PART["message"])
        if self.header_name is not None and self.header_name.lower() in RESERVED:
            raise ValueError(_NOT_RESERVED["message"])
        return self


class HeaderRoute(ApiModel):
    """The requests that go to the canary whatever its weight."""

    match: Annotated[tuple[RequestMatch, ...], Field(min_length=1, max_length=16), ATOMIC]
    """Any one of them is enough."""
    preview: bool | None = None
    """For testers whom nobody waits for: without requests of theirs the next step comes all the same. Default false: a
    weight waits until the cohort's requests were judged."""
