"""blueGreen: the new version stands beside the old one at full size, is tried there, and gets everybody at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serinus.api.base import ApiModel
from serinus.api.constraints import Duration
from serinus.api.header_route import RequestMatch
from serinus.api.rules import ATOMIC


class Preview(ApiModel):
    """Who sees the new version before the switch."""

    match: Annotated[tuple[RequestMatch, ...], Field(min_length=1, max_length=16), ATOMIC]
    """Any one of them is enough."""


class MirrorStage(ApiModel):
    """Copies of requests before the switch."""

    percentage: Annotated[int, Field(ge=1, le=100)] = 100
    """Percent of stable's requests of which the new version gets a copy; default 100."""
    duration: Duration
    """How long it gets them at least; then they have to be judged Safe."""


class BlueGreen(ApiModel):
    """All requests in one switch, from 0 to 100 percent."""

    preview: Preview | None = None
    """Testers, by a header or a cookie. If their requests break a limit, the new version is rejected; without any,
    nothing waits for them."""
    mirror: MirrorStage | None = None
    """Copies of requests first, whose answers are thrown away and judged."""
    auto_promotion_after: Duration | None = None
    """How long the new version stands ready before the switch; absent waits for promote."""
