"""Who else claims our hosts."""

from __future__ import annotations

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from serinus.core.traffic.hosts import (
    ForeignRoute,
    OurRoute,
    host_conflicts,
)
from serinus.core.traffic.istio.claims import read_foreign_route

HOST = "fraud.example.com"


def _ours(hosts: tuple[str, ...] = (HOST,), created: float | None = None, name: str = "fraud") -> OurRoute:
    return OurRoute(Key("ml", name), hosts, ("public", "mesh"), created)


def _theirs(host: str = HOST, gateway: str = "ml/public", created: float = 100.0, name: str = "theirs") -> ForeignRoute:
    return ForeignRoute("VirtualService", Key("ml", name), frozenset({host}), frozenset({gateway}), created)


@pytest.mark.parametrize(
    ("created", "blocking"),
    [
        pytest.param(None, True, id="ours does not exist yet"),
        pytest.param(200.0, True, id="theirs is older"),
        pytest.param(50.0, False, id="ours is older"),
    ],
)
def test_the_older_route_has_the_host(created: float | None, blocking: bool) -> None:
    (conflict,) = host_conflicts(_ours(created=created), [_theirs()])
    assert (conflict.host, conflict.gateway, conflict.theirs) == (HOST, "ml/public", Key("ml", "theirs"))
    assert conflict.blocking is blocking
    assert "VirtualService ml/theirs claims host fraud.example.com on gateway ml/public" in conflict.message


@pytest.mark.parametrize(("name", "blocking"), [("aaa", True), ("zzz", False)], ids=["theirs first", "ours first"])
def test_routes_of_one_second_are_ordered_by_name_as_istio_does(name: str, blocking: bool) -> None:
    (conflict,) = host_conflicts(_ours(created=100.0), [_theirs(name=name)])
    assert conflict.blocking is blocking


@pytest.mark.parametrize(
    "theirs",
    [
        pytest.param(_theirs(gateway="edge/public"), id="another gateway of that name"),
        pytest.param(_theirs(host="other.example.com"), id="another host"),
        pytest.param(_theirs(name="fraud"), id="our own route"),
    ],
)
def test_no_conflict_without_one_host_on_one_gateway(theirs: ForeignRoute) -> None:
    assert host_conflicts(_ours(), [theirs]) == ()


@pytest.mark.parametrize("host", ["*.example.com", "*"])
def test_a_wildcard_around_our_host_is_reported_and_blocks_nothing(host: str) -> None:
    (conflict,) = host_conflicts(_ours(), [_theirs(host=host)])
    assert not conflict.blocking
    assert "the exact host wins" in conflict.message


def test_one_wildcard_twice_is_a_conflict_like_any_other() -> None:
    (conflict,) = host_conflicts(_ours(hosts=("*.example.com",)), [_theirs(host="*.example.com")])
    assert conflict.blocking


def test_blocking_conflicts_come_first_and_each_gateway_is_one() -> None:
    gateways = frozenset({"ml/public", "mesh"})
    both = ForeignRoute("VirtualService", Key("ml", "both"), frozenset({HOST}), gateways, 100.0)
    conflicts = host_conflicts(_ours(), [_theirs(host="*"), both])
    assert [(conflict.gateway, conflict.blocking) for conflict in conflicts] == [
        ("mesh", True),
        ("ml/public", True),
        ("ml/public", False),
    ]


def _manifest(**spec: object) -> Json:
    metadata = {"name": "theirs", "namespace": "web", "creationTimestamp": "2026-03-01T10:00:00Z"}
    return {"metadata": metadata, "spec": spec}


def test_a_foreign_route_is_read_with_normal_names() -> None:
    route = read_foreign_route(_manifest(hosts=["shop", HOST], gateways=["public"]))
    assert route == ForeignRoute(
        "VirtualService",
        Key("web", "theirs"),
        frozenset({"shop.web.svc.cluster.local", HOST}),
        frozenset({"web/public"}),
        1772359200.0,
    )


@pytest.mark.parametrize("spec", [{"hosts": [HOST]}, {"hosts": [HOST], "gateways": []}], ids=["absent", "empty"])
def test_a_route_without_gateways_is_the_meshs(spec: Json) -> None:
    assert read_foreign_route(_manifest(**spec)).gateways == {"mesh"}


def test_the_clusters_domain_is_configuration() -> None:
    """A short name is a Service's in that domain."""
    route = read_foreign_route(_manifest(hosts=["shop"], gateways=["public"]), "corp.internal")
    assert route.hosts == {"shop.web.svc.corp.internal"}


def test_a_delegate_route_claims_no_host() -> None:
    assert host_conflicts(_ours(), [read_foreign_route(_manifest())]) == ()
