"""setMirrorRoute: copies of requests for the canary, whose answers nobody sees."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from serinus.api.base import ApiModel


class MirrorRoute(ApiModel):
    """How many requests are copied."""

    percentage: Annotated[int, Field(ge=1, le=100)] = 100
    """Percent of stable's requests of which the canary gets a copy; default 100. Copies end with the first step that
    gives the canary requests of its own."""
