"""One namespace of a real API server with one ModelDeployment, and all around it: the counterpart of `world`.

The words are the same as there, so that a scenario reads alike; what is waited for is an event of a watch.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from serinus.core.model.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    DESTINATION_RULE,
    MODEL_DEPLOYMENT,
    POD,
    POD_DISRUPTION_BUDGET,
    ROLLOUT,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)
from serinus.core.traffic.istio.routes import read_split
from serinus_local.control_plane import ControlPlane
from serinus_local.gateway import istio_gateway
from tests.support.cluster_api import NAMESPACE, ClusterApi
from tests.support.fake_prometheus import FakePrometheus
from tests.support.mirror import Change, Mirror
from tests.support.newest import NewestRollout
from tests.support.pods import Kubelets, version_of
from tests.support.world.given import fraud

T = TypeVar("T")
DERIVED = (DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, DESTINATION_RULE, VIRTUAL_SERVICE, CONTROLLER_REVISION)
KINDS = (MODEL_DEPLOYMENT, ROLLOUT, POD, CONFIG_MAP, *DERIVED)
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
SHORT = [{"setWeight": 10}, {"pause": {"duration": "1s"}}, {"setWeight": 50}, {"pause": {"duration": "1s"}}]
LASTING = [{"setWeight": 10}, {"pause": {}}]
"""Steps that stay at ten per cent until somebody promotes."""


@dataclass(frozen=True)
class RealWorld(NewestRollout):
    """Reads and writes as people do; `mirror` holds what is there."""

    plane: ControlPlane
    api: ClusterApi
    prometheus: FakePrometheus
    kubelets: Kubelets
    mirror: Mirror
    namespace: str
    name: str = "fraud"

    # What people do.

    async def commit(self, version: str, *, name: str | None = None, **spec: Any) -> Json:
        """Apply a manifest, as a pipeline does."""
        manifest = copy.deepcopy(fraud(version, steps=spec.pop("steps", SHORT)))
        manifest["metadata"] = {"name": name or self.name, "namespace": self.namespace}
        manifest["spec"] |= {"scaling": {"minReplicas": 2}, "guard": {"duration": "1s"}, **spec}
        traffic = manifest["spec"]["traffic"]
        if not traffic.get("istio", {}).get("delegate"):
            traffic["hosts"] = [f"{name or self.name}.{self.namespace}.example.com"]
        return await self.api.apply(manifest)

    def lever(self, patch: str) -> None:
        """Patch the newest Rollout's spec with kubectl, as an SRE does."""
        self.plane.kubectl(
            "patch", "mro", self.rollout["metadata"]["name"], "-n", self.namespace, "--type=merge", "-p", patch
        )

    # What one sees.

    async def until(self, condition: Callable[[], T | None], what: str, *, limit: float = 30) -> T:
        """Wait until something is so."""
        return await self.mirror.until(condition, what, limit=limit)

    async def until_phase(self, phase: str, *, version: str | None = None, limit: float = 40) -> Json:
        """Wait until the newest Rollout, of a version if one is named, is in a phase."""

        def there() -> bool:
            return self.phase == phase and (version is None or self.tried == version)

        await self.until(there, f"version {version} is {phase}", limit=limit)
        return self.rollout

    async def until_weight(self, weight: int, *, version: str) -> None:
        """Wait until the live route gives a version this weight."""
        await self.until(lambda: self.routed.get(version) == weight, f"{weight} % to version {version}", limit=40)

    async def until_still(self) -> None:
        """Wait until the ModelDeployment says that nothing is under way, and nothing more is written."""
        await self.until(lambda: self.said("Reconciling") == "False", "nothing is under way")
        while await self.mirror.written_within(1.5):
            continue

    @property
    def deployment(self) -> Json:
        found = self.mirror.get(MODEL_DEPLOYMENT, self.name)
        assert found is not None
        return found

    @property
    def rollouts(self) -> list[Json]:
        """All of them, in the order of creation."""
        created = {change.name: change.version for change in reversed(self.mirror.history) if change.kind == ROLLOUT}
        return sorted(self.mirror.all(ROLLOUT), key=lambda one: created[one["metadata"]["name"]])

    @property
    def routed(self) -> dict[str, int]:
        """Weights by version, as the live route has them."""
        route = self.mirror.get(VIRTUAL_SERVICE, self.name)
        return {} if route is None else self.weights(route)

    @property
    def routes(self) -> list[dict[str, int]]:
        """All splits that the route ever had, in their order."""
        return [self.weights(one.manifest) for one in self._routes_written()]

    def _routes_written(self) -> Iterator[Change]:
        return (one for one in self.mirror.history if one.kind == VIRTUAL_SERVICE and one.name == self.name)

    def weights_of(self, version: str) -> list[int]:
        """The weights that a version had one after the other."""
        return [weight for weight, _ in itertools.groupby(route.get(version, 0) for route in self.routes)]

    def weights(self, route: Json) -> dict[str, int]:
        """Weights by version of a VirtualService."""
        split = read_split(route)
        return {self.version(name): weight for name, weight in split.weights} if split else {}

    def version(self, revision: str) -> str:
        """The version of a revision, also when its ControllerRevision is gone."""
        seen = (one for one in reversed(self.mirror.history) if one.kind == CONTROLLER_REVISION)
        return next((str(one.manifest["data"]["version"]) for one in seen if one.name == revision), revision)

    def revision(self, version: str) -> str:
        """The name of the newest revision of a version."""
        found = [one for one in self.mirror.all(CONTROLLER_REVISION) if one["data"]["version"] == version]
        return str(max(found, key=lambda one: one["revision"])["metadata"]["name"])

    def condition(self, kind: str) -> Json:
        """A condition of the ModelDeployment; empty when it has none of that type."""
        found = self.mirror.get(MODEL_DEPLOYMENT, self.name) or {}
        conditions = (found.get("status") or {}).get("conditions") or ()
        return next((one for one in conditions if one["type"] == kind), {})

    def said(self, kind: str) -> str | None:
        """The status of a condition, where it speaks of the present spec."""
        condition = self.condition(kind)
        current = condition.get("observedGeneration") == self.deployment["metadata"]["generation"]
        return condition.get("status") if current else None

    def pods(self, version: str) -> list[Json]:
        return [pod for pod in self.mirror.all(POD) if version_of(pod) == version]

    def first(self, kind: Kind, condition: Callable[[Json], object]) -> Change:
        """The first write of a kind after which something was so."""
        return next(one for one in self.mirror.history if one.kind == kind and condition(one.manifest))


def _follow(prometheus: FakePrometheus) -> Callable[[Change], None]:
    """Send requests where the live route sends them; who never had weight gets those that are usual."""
    sent_to = set[str]()

    def follow(change: Change) -> None:
        split = read_split(change.manifest) if change.kind == VIRTUAL_SERVICE and change.event != "DELETED" else None
        if split is None:
            return
        now = {name for name, weight in split.weights if weight}
        for name in sent_to | now:
            prometheus.send(name, there=name in now)
        sent_to.update(now)

    return follow


@asynccontextmanager
async def real_world(
    plane: ControlPlane, api: ClusterApi, prometheus: FakePrometheus, kubelets: Kubelets, namespace: str
) -> AsyncIterator[RealWorld]:
    """Give a namespace of its own; it is emptied afterwards, so that the next operator finds nothing of it."""
    if await api.get(NAMESPACE, "", namespace) is None:
        await api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    await api.create(json.loads(istio_gateway(namespace)))
    async with Mirror(api, namespace, [SERVICE_ACCOUNT]) as accounts:
        await accounts.until(lambda: accounts.get(SERVICE_ACCOUNT, "default"), "the default service account")
    async with Mirror(api, namespace, KINDS) as mirror:
        mirror.on_change = _follow(prometheus)
        yield RealWorld(plane, api, prometheus, kubelets, mirror, namespace)
        for kind in (MODEL_DEPLOYMENT, ROLLOUT, VIRTUAL_SERVICE):
            await api.delete_all(kind, namespace)
    await api.delete(NAMESPACE, "", namespace)
