"""Which Gateways there are, and which hosts they listen for."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from serinus.core.model.snapshot import Unreached
from serinus.core.traffic.hosts import OurRoute
from serinus.core.traffic.istio.claims import read_listeners
from serinus.core.traffic.istio.provider import TERMS
from serinus.core.traffic.listeners import Listeners, unreached

HOST = "fraud.example.com"


def listeners(*hosts: str, namespace: str = "ml", **server: Any) -> Listeners:
    spec: Json = {"servers": [{"hosts": list(hosts), "port": {"protocol": "HTTP"}, **server}]}
    return read_listeners({"metadata": {"name": "public", "namespace": namespace}, "spec": spec})


def ours(*hosts: str, gateways: tuple[str, ...] = ("public",)) -> OurRoute:
    return OurRoute(Key("ml", "fraud"), hosts or (HOST,), gateways, None)


def not_reached(route: OurRoute, listening: dict[str, Listeners]) -> Unreached | None:
    return unreached(route, listening, TERMS)


@pytest.mark.parametrize(
    ("host", "heard"),
    [
        ("*", True),
        ("*/*", True),
        (HOST, True),
        ("Fraud.example.com", True),
        ("*.example.com", True),
        ("*/fraud.example.com", True),
        ("./fraud.example.com", False),
        ("ml/fraud.example.com", True),
        ("ml/*", True),
        ("shop/*", False),
        ("example.com", False),
        ("*.other.com", False),
    ],
)
def test_a_host_is_heard_as_the_gateways_servers_say(host: str, heard: bool) -> None:
    """Namespace and host, each of them exact or a wildcard; the Gateway is of the namespace edge."""
    found = not_reached(ours(gateways=("edge/public",)), {"edge/public": listeners(host, namespace="edge")})
    assert (found is None) is heard


def test_a_dot_is_the_gateways_own_namespace() -> None:
    """As ours is."""
    assert not_reached(ours(), {"ml/public": listeners("./*.example.com")}) is None


@pytest.mark.parametrize(
    ("server", "heard"),
    [
        pytest.param({"port": {"protocol": "HTTPS"}, "tls": {"mode": "SIMPLE"}}, True, id="HTTPS that ends here"),
        pytest.param({"port": {"protocol": "grpc"}}, True, id="gRPC"),
        pytest.param({"port": {"protocol": "TLS"}, "tls": {"mode": "SIMPLE"}}, False, id="TLS without HTTP"),
        pytest.param({"port": {"protocol": "HTTPS"}, "tls": {"mode": "PASSTHROUGH"}}, False, id="passed through"),
        pytest.param({"port": {"protocol": "TCP"}}, False, id="TCP"),
    ],
)
def test_only_servers_that_speak_http_hear_a_host(server: Json, heard: bool) -> None:
    """Others look up no route by it."""
    assert (not_reached(ours(), {"ml/public": listeners("*", **server)}) is None) is heard


def test_a_host_of_ours_may_be_a_wildcard_around_the_gateways() -> None:
    """Istio takes what both have."""
    assert not_reached(ours("*.example.com"), {"ml/public": listeners(HOST)}) is None


def test_a_gateway_that_is_not_there_is_named_with_its_namespace() -> None:
    """A name with a dot is another namespace's, to Istio too."""
    assert not_reached(ours(gateways=("pulbic.edge",)), {"ml/pulbic": listeners("*")}) == Unreached(
        "GatewayNotFound",
        "there is no Istio Gateway edge/pulbic: correct spec.traffic.istio.gateways, or create it",
        served=False,
    )


def test_a_host_that_no_server_has_is_named() -> None:
    """The fix is on either side."""
    assert not_reached(ours("a.test"), {"ml/public": listeners("*.example.com")}) == Unreached(
        "GatewayNotFound",
        "no server of Gateway ml/public has host a.test: add it there, or correct spec.traffic.hosts",
        served=False,
    )


def test_each_host_needs_one_of_the_gateways() -> None:
    """Not every one of them."""
    both = {"ml/public": listeners("a.test"), "ml/private": listeners("b.test")}
    assert not_reached(ours("a.test", "b.test", gateways=("public", "private")), both) is None


@pytest.mark.parametrize(
    ("route", "listening"),
    [
        pytest.param(ours(gateways=("public", "pulbic")), {"ml/public": listeners("*")}, id="one gateway of two"),
        pytest.param(ours(HOST, "a.test"), {"ml/public": listeners(HOST)}, id="one host of two"),
    ],
)
def test_what_is_reached_all_the_same_is_served(route: OurRoute, listening: dict[str, Listeners]) -> None:
    """And the rest is said."""
    found = not_reached(route, listening)
    assert found is not None
    assert found.served
