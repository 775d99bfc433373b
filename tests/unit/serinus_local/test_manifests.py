"""What the stack reads of the manifests that the API server answers."""

from __future__ import annotations

from typing import Any

import pytest

from serinus_local.manifests import is_established


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
