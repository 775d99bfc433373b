"""Lists what should exist of a ModelDeployment, in the order in which it is written."""

from __future__ import annotations

from serinus.api.traffic import Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import CONFIG_MAP, Json, kind_of
from serinus.core.model.snapshot import Snapshot
from serinus.core.plan.wanted import plan_children
from serinus.core.rollout.decision import Decision, still_takes, takes_traffic
from serinus.core.serving.runtimes import runtime_in, runtime_of
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.children import Children
from serinus.runtime.memory import Memory
from serinus.runtime.pins import Pins
from serinus.runtime.ports import Cache
from serinus.runtime.routing import Routes
from serinus.runtime.wish import Wishes


class DueChildren:
    """Renders children for what was decided and what was seen."""

    def __init__(
        self,
        cache: Cache,
        providers: TrafficProviders,
        *,
        wishes: Wishes,
        children: Children,
        pins: Pins,
        routes: Routes,
    ) -> None:
        self._cache = cache
        self._providers = providers
        self._wishes = wishes
        self._children = children
        self._pins = pins
        self._routes = routes

    async def listed(
        self, owner: Owner, traffic: Traffic | None, seen: Snapshot, decision: Decision, memory: Memory
    ) -> list[Json]:
        """List the children; the route goes first when it takes weight away, and last when it gives."""
        routes, children = self._planned(owner, traffic, seen, decision)
        pins = self._pins.missing(owner, (workload.revision for workload in decision.workloads), memory)
        if takes_traffic(decision) or still_takes(seen, decision):
            rest = [child for child in children if kind_of(child) not in self._providers.routes]
            return [*routes, *pins, *rest]
        return [*await self._lost_copies(owner, decision), *pins, *children]

    def _planned(
        self, owner: Owner, traffic: Traffic | None, seen: Snapshot, decision: Decision
    ) -> tuple[tuple[Json, ...], tuple[Json, ...]]:
        """Render the routes by themselves, and all that is not fetched or pinned."""
        provider, interface = self._providers.of(traffic), runtime_of(seen.deployment.spec.runtime).interface
        routes = self._routes.render(owner, traffic, decision.split, interface)
        pods: dict[str, int | None] = {one.name: seen.fleet(one.name).desired for one in decision.kept}
        pods |= {one.revision.name: one.replicas for one in decision.workloads}
        children = plan_children(
            owner,
            alone=self._children.alone(owner, pods),
            workloads=decision.workloads,
            kept=decision.kept,
            stable_hash=decision.stable.hash if decision.stable else None,
            ports=runtime_in(decision.stable.template).ports if decision.stable else (),
            policies=[
                policy
                for revision in (*(one.revision for one in decision.workloads), *decision.kept)
                for policy in provider.render_policies(owner, revision, traffic)
            ],
            routes=routes,
            grpc_protocol=provider.grpc_protocol,
        )
        return routes, children

    async def _lost_copies(self, owner: Owner, decision: Decision) -> list[Json]:
        """Render the copies of ConfigMaps that are missing: pods wait for them, a revert does not."""
        lost = [
            workload.revision
            for workload in decision.workloads
            if workload.revision.config_map is not None
            and self._cache.get(CONFIG_MAP, owner.namespace, workload.revision.config_map) is None
        ]
        copies = [await self._wishes.restored_copy(owner, revision) for revision in lost]
        return [copy for copy in copies if copy is not None]
