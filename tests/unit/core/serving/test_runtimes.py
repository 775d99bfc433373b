"""The model servers: which one is chosen, which one a template runs, and that what they make never changes."""

from __future__ import annotations

import hashlib
import json
import re

import pytest

from serinus.api.pod_template import OWN_CONTAINERS
from serinus.core.model.kinds import Json
from serinus.core.model.revision import revision_hash
from serinus.core.plan.revisions import rebuilt_revision
from serinus.core.serving.runtimes import RUNTIMES, runtime_in, runtime_of
from tests.unit.core.plan.given import FULL, HASH, OWNER, SMALL, revision, spec, template


@pytest.mark.parametrize(
    ("raw", "hashed", "digest"),
    [
        pytest.param(
            SMALL, "4ccd9436ad", "bccfa4db8d1161911f708c292fc68ed7dc15b228faf8e9ccbece9f0c8402faf8", id="small"
        ),
        pytest.param(FULL, "6f8641181f", "a2169fb2e3a060d21dc519e83ff2ca6821bf347674ac9e9e8c28a6ebd3ae6fe3", id="full"),
    ],
)
def test_no_change_of_ours_makes_another_revision(raw: Json, hashed: str, digest: str) -> None:
    """A spec has the hash that it always had, and its template is the same to the byte."""
    assert revision_hash(spec(raw)) == hashed
    assert hashlib.sha256(json.dumps(template(raw)).encode()).hexdigest() == digest


@pytest.mark.parametrize("name", RUNTIMES)
def test_a_template_tells_by_itself_which_server_it_runs(name: str) -> None:
    """Also long after the operator that rendered it; sidecars come after the server."""
    raw = {**SMALL, "runtime": {"image": "i", "type": name}, "model": {"version": "1", "storageUri": "pvc://m/fraud"}}
    chosen = runtime_of(spec(raw).runtime)
    assert chosen.type == name
    rendered = template(raw)
    rendered["spec"]["containers"].append({"name": "sidecar"})
    assert runtime_in(rendered) is chosen
    assert rendered["metadata"]["labels"]["app.kubernetes.io/name"] == name


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_models_name_is_read_back_from_a_deployment(name: str) -> None:
    """Where the ControllerRevision is gone, the Deployment is all that is left."""
    model = {"name": "Fraud_v2.1", "version": "1", "storageUri": "pvc://m/fraud"}
    rendered = template({"model": model, "runtime": {"image": "i", "type": name}})
    deployment = {"metadata": OWNER.metadata("fraud-x", HASH), "spec": {"template": rendered}}
    rebuilt = rebuilt_revision(OWNER, deployment, spec=spec(), config_map=None)
    assert rebuilt["data"]["model"] == "Fraud_v2.1"


@pytest.mark.parametrize("name", RUNTIMES)
def test_no_container_of_a_teams_is_called_as_a_server(name: str) -> None:
    """By its name the server's container is known."""
    assert re.match(OWN_CONTAINERS, name)


def test_triton_is_what_a_spec_without_a_type_means() -> None:
    assert runtime_of(spec().runtime).title == "Triton"
    assert runtime_in(revision().template).title == "Triton"
