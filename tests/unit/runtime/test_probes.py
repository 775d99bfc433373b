"""The sample request to the pods of a revision."""

from __future__ import annotations

import pytest

from serinus.runtime.probes import ReadyPod


@pytest.mark.parametrize(
    ("address", "target"), [("10.0.0.5", "10.0.0.5:8001"), ("fd00::5", "[fd00::5]:8001")], ids=["IPv4", "IPv6"]
)
def test_a_pod_is_asked_at_its_address(address: str, target: str) -> None:
    """In the form that gRPC reads; IPv6 in brackets."""
    assert ReadyPod("uid", "fraud-0", address).target == target
