"""The routes of a ModelDeployment: those of the API that its spec has chosen, and of one that it has left.

What serves is given up only for what serves: the left routes stay, and follow every split, until the chosen API's serve
the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from serinus.api.traffic import Traffic
from serinus.core.model.errors import ClusterError, Invalid
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json, kind_of
from serinus.core.model.snapshot import Obstacle
from serinus.core.model.split import Split
from serinus.core.serving.interface import Interface
from serinus.core.traffic.provider import RoutePlan
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.children import Children
from serinus.runtime.memory import Memory
from serinus.runtime.ours import our_routes, ours
from serinus.runtime.ports import Cache


@dataclass(frozen=True)
class Routes:
    """Everything needed to render routes, and to take them away."""

    cache: Cache
    providers: TrafficProviders
    children: Children

    def render(
        self, owner: Owner, traffic: Traffic | None, split: Split | None, interface: Interface
    ) -> tuple[Json, ...]:
        """Render the routes of the chosen API, and those that are left with the same split."""
        if split is None:
            return ()
        provider, plan = self.providers.of(traffic), RoutePlan(owner, traffic, split, interface)
        wanted = provider.render_routes(plan, our_routes(self.cache, provider, owner))
        left = (
            other.resplit(owner, route, split)
            for other in self.providers.others(traffic)
            for route in our_routes(self.cache, other, owner).values()
        )
        return (*wanted, *left)

    def are_left(self, owner: Owner, traffic: Traffic | None) -> bool:
        """Whether there is anything of an API that the spec has left."""
        return any(True for _ in self._left(owner, traffic))

    async def withdraw(
        self, owner: Owner, traffic: Traffic | None, children: Iterable[Json], in_the_way: Obstacle | None
    ) -> bool:
        """Delete what is wanted no more of our routes, and what is left of another API.

        Only once all that is wanted is there; `in_the_way` says why the chosen API does not serve. True when there was
        any.
        """
        provider = self.providers.of(traffic)
        live = our_routes(self.cache, provider, owner)
        wanted = {str(child["metadata"]["name"]) for child in children if kind_of(child) == provider.route}
        if not wanted or not wanted <= live.keys():
            return False
        unwanted = [route for name, route in sorted(live.items()) if name not in wanted]
        if in_the_way is None and all(provider.is_carried_out(live[name]) for name in wanted):
            unwanted += self._left(owner, traffic)
        await self.children.withdraw(owner, unwanted)
        return bool(unwanted)

    async def keep_split(
        self, owner: Owner, wanted: Json, error: ClusterError, split: Split | None, memory: Memory
    ) -> None:
        """Write the split into a route whose new settings are refused: a revert must not wait for their correction."""
        provider = next((one for one in self.providers.each if one.route == kind_of(wanted)), None)
        if provider is None or split is None or not isinstance(error, Invalid):
            return
        name = str(wanted["metadata"]["name"])
        live = our_routes(self.cache, provider, owner).get(name)
        if live is None:
            return
        label = f"{provider.route.name}/{name}"
        refusal = memory.conflicts.get(label)
        await self.children.ensure(owner, provider.resplit(owner, live, split), memory)
        if refusal is not None:
            memory.conflicts[label] = refusal

    def _left(self, owner: Owner, traffic: Traffic | None) -> Iterator[Json]:
        chosen = self.providers.of(traffic)
        for other in self.providers.others(traffic):
            yield from our_routes(self.cache, other, owner).values()
            for kind in other.policies:
                if kind not in chosen.policies:
                    yield from ours(self.cache, kind, owner).values()
