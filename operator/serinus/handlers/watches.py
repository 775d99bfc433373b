"""What kopf watches for us: ModelDeployments and Rollouts. Handlers only pass the object on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from serinus.api import GROUP, VERSION
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json, Kind

Take = Callable[[Kind, str, Json], None]
"""Told of an event: the kind, its type (ADDED, MODIFIED, DELETED), and the object."""
Login = Callable[[], kopf.ConnectionInfo]


def watching(take: Take, login: Login) -> kopf.OperatorRegistry:
    """Register a handler for each of our kinds, and the login."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry, id="login")
    def log_in(**_: Any) -> kopf.ConnectionInfo:
        return login()

    for kind in (MODEL_DEPLOYMENT, ROLLOUT):
        _watch(registry, kind, take)
    return registry


def _watch(registry: kopf.OperatorRegistry, kind: Kind, take: Take) -> None:
    @kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id=kind.plural)
    def hand_on(event: Any, **_: Any) -> None:
        manifest = dict(event["object"])
        take(kind, event["type"] or "ADDED", {**manifest, "apiVersion": kind.api_version, "kind": kind.name})
