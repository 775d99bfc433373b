"""What the stack reads of the manifests that the API server answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serinus_local.manifests import is_established, namespace


@pytest.mark.parametrize(
    ("status", "established"),
    [
        pytest.param(None, False, id="no status yet"),
        pytest.param({}, False, id="no conditions yet"),
        pytest.param({"conditions": [{"type": "NamesAccepted", "status": "True"}]}, False, id="names accepted alone"),
        pytest.param({"conditions": [{"type": "Established", "status": "False"}]}, False, id="being installed"),
        pytest.param({"conditions": [{"type": "Established", "status": "True"}]}, True, id="served"),
    ],
)
def test_a_definition_is_established_once_its_status_says_so(status: dict[str, Any] | None, established: bool) -> None:
    """One that was only just made has no status at all: it is waited for."""
    definition = {"kind": "CustomResourceDefinition", **({} if status is None else {"status": status})}
    assert is_established(definition) is established


def test_a_namespace_is_held_to_pod_security_where_it_is_said() -> None:
    """The operator's is, by the strictest standard; those of models are as their teams make them."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    assert json.loads(namespace("serinus-system", pod_security="restricted"))["metadata"]["labels"] == labels
    assert json.loads(namespace("ml"))["metadata"]["labels"] == {}
