"""Two runs never share an address."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from serinus_local import network


def test_a_network_that_the_machine_routes_already_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [ipaddress.IPv4Network("10.210.1.0/30"), ipaddress.IPv4Network("10.211.2.0/24")]
    monkeypatch.setattr(network, "_taken", lambda: iter(taken))
    assert network.choose(tmp_path, "a").host == "10.210.3.1"


def test_a_run_keeps_the_network_that_it_chose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_taken", lambda: iter(()))
    first = network.choose(tmp_path, "a")
    monkeypatch.setattr(network, "_taken", lambda: iter([ipaddress.IPv4Network("10.210.1.0/24")]))
    assert network.choose(tmp_path, "a") == first


def test_pods_and_link_do_not_overlap() -> None:
    net = network._network(7, "a")
    link = ipaddress.IPv4Interface(f"{net.host}/30").network
    assert ipaddress.IPv4Address(net.node) in link
    assert not link.overlaps(ipaddress.IPv4Network(net.pods))
    assert ipaddress.IPv4Address(net.gateway) in ipaddress.IPv4Network(net.services)
    assert len(net.link) <= 15
