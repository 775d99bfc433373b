"""Everything that should exist for a ModelDeployment, in the order in which it may be created.

Service and traffic policy of a revision come before its pods, and the route comes last: a route to a Service that the
gateway does not know yet answers 503 until it does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.plan.workload import (
    GRPC,
    render_deployment,
    render_disruption_budget,
    render_root_service,
    render_service,
)
from serinus.core.serving.runtime import THREE_PORTS, Port


@dataclass(frozen=True)
class Workload:
    """A revision that is alive, and its number of pods; None where an autoscaler owns it."""

    revision: Revision
    replicas: int | None


def plan_children(
    owner: Owner,
    *,
    workloads: Sequence[Workload],
    kept: Sequence[Revision] = (),
    stable_hash: str | None,
    ports: Sequence[Port] = THREE_PORTS,
    alone: Collection[str] = (),
    policies: Sequence[Json] = (),
    routes: Sequence[Json] = (),
    grpc_protocol: str = GRPC,
) -> tuple[Json, ...]:
    """Order what is wanted; `policies` and `routes` are what a traffic provider rendered for the same revisions.

    `ports` are those of stable's server. `kept` are revisions whose pods stay although they need none, since requests
    may still arrive: they keep what leads to their pods, and what keeps a node drain from taking them at once. `alone`
    names those that need no such budget: a drain takes the pods of a revision one by one, and they have a single one.
    Without a stable revision there is no root Service: it would select nothing that may serve.
    """
    guarded = (*(workload.revision for workload in workloads), *kept)
    services = [render_service(owner, revision, grpc_protocol) for revision in guarded]
    root = [] if stable_hash is None else [render_root_service(owner, stable_hash, grpc_protocol, ports)]
    deployments = [render_deployment(owner, workload.revision, workload.replicas) for workload in workloads]
    budgets = [render_disruption_budget(owner, revision) for revision in guarded if revision.name not in alone]
    return (*services, *policies, *budgets, *deployments, *root, *routes)
