"""Users of an application, by version, and how many of them do what a goal wants."""

from __future__ import annotations

from serinus.core.model.kinds import Json
from tests.support.world.world import World

SELECTED = '{namespace="{{namespace}}", modeldeployment="{{name}}", revision="{{revision}}"}'
CONVERSION: Json = {
    "name": "conversion",
    "type": "Ratio",
    "query": f"sum(converted_total{SELECTED})",
    "of": f"sum(visitors_total{SELECTED})",
}


class Visitors:
    """Users of both versions, a fixed number each second by weight, and how many of them convert."""

    def __init__(self, world: World, per_second: int = 200, **converts: float) -> None:
        self.world, self.per_second = world, per_second
        self.converts = {name.removeprefix("v"): share for name, share in converts.items()}
        self.visited = dict.fromkeys(self.converts, 0.0)
        self.converted = dict.fromkeys(self.converts, 0.0)
        self._at: float | None = None
        world.prometheus.own["converted_total"] = lambda query: self._shown(query, self.converted)
        world.prometheus.own["visitors_total"] = lambda query: self._shown(query, self.visited)

    def _shown(self, query: str, counts: dict[str, float]) -> list[float]:
        self._count()
        asked = [one for one in self.world.models if self.world.revision(one).rpartition("-")[2] in query]
        return [counts[version] for version in asked]

    def _count(self) -> None:
        now = self.world.clock.now()
        lasted, self._at = now - (self._at if self._at is not None else now), now
        for version in self.visited:
            came = self.per_second * lasted * self.world.routed.get(version, 0) / 100.0
            self.visited[version] += came
            self.converted[version] += came * self.converts[version]
