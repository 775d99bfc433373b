"""What the platform's people run: Gateways, and the controller that answers routes of the Gateway API."""

from __future__ import annotations

import copy
import itertools
from contextvars import ContextVar
from typing import Final

from serinus.api.traffic import RoutingApi
from serinus.core.model.kinds import GATEWAY, HTTP_ROUTE, ISTIO_GATEWAY, Json, Kind
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.providers import TrafficProviders
from tests.support.world.api import InMemoryApi

PROVIDERS: Final = TrafficProviders((Istio(mesh=True), GatewayApi()))
ROUTING: ContextVar[RoutingApi] = ContextVar("ROUTING", default=RoutingApi.ISTIO)
"""By which routing API a world, and the ModelDeployments for it, are made."""
CONTROLLER: Final = "example.com/controller"
ACCEPTED: Final = tuple(
    {"type": kind, "status": "True", "reason": kind, "message": "", "lastTransitionTime": "2026-07-01T00:00:00Z"}
    for kind in ("Accepted", "ResolvedRefs")
)


class Platform:
    """Gateways are no collector's; each HTTPRoute is accepted, unless `refusal` says why not."""

    def __init__(self, api: InMemoryApi, routing: RoutingApi) -> None:
        self.gateways: dict[tuple[str, str], Json] = {}
        self.refusal: Json | None = None
        self._api = api
        self.routing = routing
        self._versions = itertools.count(1)

    @property
    def _kind(self) -> Kind:
        return ISTIO_GATEWAY if self.routing is RoutingApi.ISTIO else GATEWAY

    def listen(self, name: str, *hosts: str, namespace: str) -> None:
        """Have a Gateway with these hosts; any, where none is named."""
        self.gateways[namespace, name] = {
            "apiVersion": self._kind.api_version,
            "kind": self._kind.name,
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": str(next(self._versions))},
            "spec": _istio_servers(hosts) if self._kind == ISTIO_GATEWAY else _listeners(hosts),
        }
        self._api.cache.store(copy.deepcopy(self.gateways[namespace, name]))

    def unlisten(self, name: str, namespace: str) -> None:
        """Delete a Gateway."""
        del self.gateways[namespace, name]
        self._api.cache.forget(self._kind, namespace, name, str(next(self._versions)))

    def answer(self) -> None:
        """Say of each HTTPRoute whether its Gateways carry it out."""
        for route in self._api.all(HTTP_ROUTE):
            wanted = [self._answer(parent) for parent in route["spec"]["parentRefs"]]
            if (route.get("status") or {}).get("parents") != wanted:
                self._api.put({**route, "status": {"parents": wanted}})

    def _answer(self, parent: Json) -> Json:
        conditions = [self.refusal] if self.refusal else [dict(each) for each in ACCEPTED]
        return {"parentRef": parent, "controllerName": CONTROLLER, "conditions": conditions}


def _istio_servers(hosts: tuple[str, ...]) -> Json:
    return {"servers": [{"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": list(hosts or ("*",))}]}


def _listeners(hosts: tuple[str, ...]) -> Json:
    named = [{"hostname": host} for host in hosts] or [{}]
    return {
        "gatewayClassName": "any",
        "listeners": [{"name": f"at-{i}", "port": 80, "protocol": "HTTP", **each} for i, each in enumerate(named)],
    }
