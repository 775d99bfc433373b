"""The chart's policy warns of a query that counts another ModelDeployment's requests, and lets it pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from serinus_local.control_plane import ControlPlane
from tests.cluster.admission_server import AdmissionServer, changed, hinting, manifest

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(300)]

BY_HASH, BY_BOTH = 'a{r="{{revision}}"}', 'a{m="{{name}}",r="{{revision}}"}'
LIMIT: dict[str, Any] = {"thresholdRange": {"max": "5%"}}
ERRORS = {"name": "errors", "preset": "error-rate", **LIMIT}


def own(name: str, query: str, of: str | None = None) -> dict[str, Any]:
    """Write a metric of a user's, a Ratio where it has trials."""
    return {"name": name, "query": query, **({"type": "Ratio", "of": of} if of else {}), **LIMIT}


def judged_by(*metrics: dict[str, Any]) -> dict[str, Any]:
    return changed(manifest("minimal.yaml"), "spec.analysis", {"metrics": list(metrics)})


@pytest.fixture(scope="module")
def server(api_server: ControlPlane) -> Iterator[AdmissionServer]:
    """An API server with our kinds and this hint alone, once it is in force."""
    with hinting(api_server, "shared-revisions", judged_by(own("psi", BY_HASH))) as made:
        yield made


@pytest.mark.parametrize(
    ("metrics", "warned"),
    [
        pytest.param([own("psi", BY_HASH)], "metric psi:", id="the hash alone"),
        pytest.param([own("sold", BY_BOTH, BY_HASH)], "metric sold:", id="one of a Ratio's two"),
        pytest.param([own("a", BY_HASH), ERRORS, own("b", BY_HASH)], "metric a and b:", id="two of three"),
        pytest.param([own("psi", BY_BOTH)], None, id="with the name"),
        pytest.param([own("psi", 'a{s="{{service}}"}')], None, id="by the Service, which has the name"),
        pytest.param([own("psi", "a")], None, id="of no revision"),
        pytest.param([ERRORS], None, id="a preset"),
    ],
)
def test_warns_of_a_query_by_the_hash_alone(
    server: AdmissionServer, metrics: list[dict[str, Any]], warned: str | None
) -> None:
    """Two ModelDeployments of one model and runtime have one hash."""
    said = server.warnings(judged_by(*metrics))
    assert len(said) == (0 if warned is None else 1)
    assert all(warned in one and 'add modeldeployment=\\"{{name}}\\"' in one for one in said if warned)


def test_does_not_warn_without_an_analysis(server: AdmissionServer) -> None:
    assert server.warnings(manifest("minimal.yaml")) == []
