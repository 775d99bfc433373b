"""How often the gateway asks again for an answer that failed. Istio only: an HTTPRoute has no field for it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from serinus.api.base import ApiModel
from serinus.api.constraints import RouteTimeout
from serinus.api.rules import SET, rule, ruled

# Istio refuses a route that says how to retry and that nothing is retried.
_NEEDS_ATTEMPTS: Final = rule(
    "(has(self.attempts) && self.attempts > 0) || (!has(self.perTryTimeout) && !has(self.retryOn))",
    "perTryTimeout and retryOn need attempts of at least 1: set attempts, or leave them out",
)


class RetryOn(StrEnum):
    """What is tried again, in Envoy's words."""

    SERVER_ERROR = "5xx"
    GATEWAY_ERROR = "gateway-error"
    RESET = "reset"
    RESET_BEFORE_REQUEST = "reset-before-request"
    CONNECT_FAILURE = "connect-failure"
    REFUSED_STREAM = "refused-stream"
    RETRIABLE_4XX = "retriable-4xx"
    CANCELLED = "cancelled"
    DEADLINE_EXCEEDED = "deadline-exceeded"
    INTERNAL = "internal"
    RESOURCE_EXHAUSTED = "resource-exhausted"
    UNAVAILABLE = "unavailable"


class Retries(ApiModel):
    """Retries of the gateway, on pods of the same revision."""

    model_config = ruled(_NEEDS_ATTEMPTS)

    attempts: Annotated[int, Field(ge=0, le=10)] | None = None
    """How often a failed request is tried again; default 0. A failure that a retry hides is not counted, so a canary
    looks better than it is."""
    per_try_timeout: RouteTimeout | None = None
    """How long each try may take; default the route's timeout."""
    retry_on: Annotated[tuple[RetryOn, ...], Field(min_length=1, max_length=12), SET] | None = None
    """What is tried again, in Envoy's words (5xx, gateway-error, reset, ...; for gRPC unavailable, ...); default
    Istio's: connect-failure, refused-stream, unavailable and cancelled."""

    @model_validator(mode="after")
    def _has_attempts(self) -> Self:
        if not self.attempts and (self.per_try_timeout is not None or self.retry_on is not None):
            raise ValueError(_NEEDS_ATTEMPTS["message"])
        return self
