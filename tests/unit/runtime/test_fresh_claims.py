"""Of two ModelDeployments that begin to claim one host at once the younger route gives back what is new to it."""

from __future__ import annotations

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.api.parsing import ModelDeploymentView
from serinus.api.traffic import Traffic
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import ISTIO_GATEWAY
from serinus.core.model.split import Split
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.model.timestamps import to_rfc3339_seconds
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.provider import RoutePlan
from serinus.runtime.claims import Claims
from serinus.runtime.fresh_claims import AT_ONCE_SECONDS, KEPT_SECONDS
from tests.support.world.clock import VirtualClock
from tests.unit.core.rollout.given import deployment

SHARED = "fraud.ml.example.com"
EVERYTHING = Tenancy((Grant("*", hosts=("*",), gateways=("*",), sources=("default",)),))


class Decider:
    """A process that decides `fraud`, and hears of its route and of another ModelDeployment's."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.cache = ObjectCache()
        self.provider = Istio(mesh=True)
        self.claims = Claims(self.cache, EVERYTHING, sources=("default",), provider=self.provider, clock=self.clock)
        self._version = 1
        for gateway in ("public", "private", "edge"):
            self._listen(gateway)

    def _listen(self, gateway: str) -> None:
        metadata = {"name": gateway, "namespace": "ml", "resourceVersion": "1"}
        servers = [{"port": {"protocol": "HTTP"}, "hosts": ["*"]}]
        kind = ISTIO_GATEWAY
        self.cache.store(
            {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {"servers": servers}}
        )

    def hear(self, name: str, *gateways: str, age: float, host: str = SHARED) -> None:
        """Hear of a route, which was created so many seconds ago."""
        self._version += 1
        owner = Owner("ml", name, "uid-md" if name == "fraud" else f"uid-{name}")
        traffic = Traffic.parse({"hosts": [host], "istio": {"gateways": list(gateways)}})
        plan = RoutePlan(owner, traffic, Split(((f"{name}-aaaaaaaaaa", 100),)))
        route = self.provider.render_routes(plan, {})[0]
        created = to_rfc3339_seconds(self.clock.now() - age)
        route["metadata"] |= {"creationTimestamp": created, "resourceVersion": str(self._version), "uid": f"r-{name}"}
        self.cache.store(route)

    def has(self, *gateways: str) -> tuple[bool, tuple[str, ...]]:
        """Whether ours may have the host when it asks for these gateways, and which of them."""
        traffic = self.claims.admitted(wanted(*gateways))
        assert traffic is not None
        assert traffic.istio is not None
        return SHARED in traffic.hosts, tuple(traffic.istio.gateways or ())


def wanted(*gateways: str) -> ModelDeploymentView:
    return deployment(traffic={"hosts": [SHARED], "istio": {"gateways": list(gateways)}})


def test_a_host_stays_where_it_was_served_before_both_asked_for_one_more_gateway() -> None:
    """Only the gateway that is new is given back, though the route is the younger one."""
    one = Decider()
    one.hear("fraud", "public", age=1000)
    one.hear("other", "private", age=2000)
    one.clock.move(100)
    assert one.has("public", "edge") == (True, ("public", "edge"))
    one.hear("fraud", "public", "edge", age=1100)
    one.hear("other", "private", "edge", age=2100)
    assert one.has("public", "edge") == (True, ("public",))


@pytest.mark.parametrize("late", [5, 25, 35, 100, 300])
def test_of_two_that_were_created_at_once_the_younger_gives_way_however_late_it_hears(late: int) -> None:
    """A watch that hangs is noticed after more than a minute; both times are stored."""
    one = Decider()
    one.hear("fraud", "public", age=0)
    one.clock.move(late)
    one.hear("other", "public", age=late + 1)
    assert one.has("public")[0] is False


@pytest.mark.parametrize("age", [1, 60, 500])
def test_a_process_that_was_not_there_comes_to_the_same(age: int) -> None:
    """It has started since, or has taken the shard over."""
    one = Decider()
    one.hear("other", "public", age=age + 1)
    one.hear("fraud", "public", age=age)
    assert one.has("public")[0] is False


def test_a_process_that_decides_neither_notes_both() -> None:
    """Nobody has asked it for anything before it takes the shard over."""
    one = Decider()
    for name, age in (("fraud", 5000), ("other", 6000)):
        one.hear(name, "public", age=age, host=f"{name}.example.com")
    one.clock.move(KEPT_SECONDS)
    one.hear("fraud", "public", age=5600)
    one.hear("other", "public", age=6600)
    assert one.has("public")[0] is False


@pytest.mark.parametrize(("later", "kept"), [(AT_ONCE_SECONDS - 1, False), (AT_ONCE_SECONDS, True)])
def test_what_was_served_for_long_is_never_lost_to_an_older_route_that_comes_later(later: float, kept: bool) -> None:
    """Also where both routes were created at once: it is the claims that count."""
    one = Decider()
    one.hear("other", "public", age=1, host="elsewhere.example.com")
    one.hear("fraud", "public", age=0)
    one.clock.move(later)
    one.hear("other", "public", age=later + 1)
    assert one.has("public")[0] is kept
    one.clock.move(KEPT_SECONDS)
    assert one.has("public")[0] is True or not kept


def test_a_process_that_starts_takes_nothing_from_what_is_old() -> None:
    """Whichever of the two came first, that is long ago."""
    one = Decider()
    one.hear("other", "public", age=KEPT_SECONDS + 10)
    one.hear("fraud", "public", age=KEPT_SECONDS)
    assert one.has("public")[0] is True
