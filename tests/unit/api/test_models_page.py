"""docs/models.md: each scheme has a manifest that works, and says which hosts have to be granted for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from serinus.api import crds
from serinus.api.defaults import policy_of
from serinus.api.parsing import ModelDeploymentView, parse_model_deployment
from serinus.core.plan.artifacts import SCHEMES, Fetching, is_fetched, plan_fetch
from serinus.core.plan.storage import plan_storage, scheme_of, source_config_map
from serinus.core.serving.runtimes import runtime_of
from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.registry import open_source
from serinus_serving.fetch.source import Access
from tests.support.models_page import PAGE, SECTIONS, documents, granted_hosts

CONTRACT = crds.ROOT / "tests/contract/fetch"
FETCHED = {
    "s3": "test_object_stores.py",
    "gs": "test_object_stores.py",
    "az": "test_object_stores.py",
    "https": "test_http.py",
    "oci": "test_oci.py",
    "hf": "test_hugging_face.py",
    "mlflow": "test_mlflow.py",
    "git": "test_git.py",
    "dvc": "test_dvc.py",
}
"""The sections of schemes that are fetched, and where each is proven."""
PROVEN_BY = {"https": "http", "git": "git+http"}
"""Their scheme in the tests, where servers have no TLS."""


def deployment(section: str) -> ModelDeploymentView:
    return parse_model_deployment(documents(section)["ModelDeployment"])


def secret(section: str) -> dict[str, Any]:
    return documents(section)["Secret"]


def test_every_row_leads_to_a_manifest_and_every_manifest_has_a_row() -> None:
    """In the order of the table, and no scheme of the operator is missing."""
    rows = re.findall(r"^\| \[`([a-z0-9+]+)://[^\]]*\]\(#(\w+)\)", PAGE, re.MULTILINE)
    assert [anchor for _, anchor in rows] == list(SECTIONS)
    assert [scheme_of(deployment(anchor).spec.model.storage_uri) for _, anchor in rows] == [row for row, _ in rows]
    assert {row for row, _ in rows} == {*SCHEMES - {"http"}, "pvc", "configmap", "file"}


@pytest.mark.parametrize("section", SECTIONS)
def test_the_manifest_is_valid(section: str) -> None:
    """Kubernetes' own objects have no unknown field; ours parses, and names the Secret or ConfigMap beside it."""
    found = documents(section)
    view = deployment(section)
    assert policy_of(view.spec).digest
    for kind, document in found.items():
        if kind != "ModelDeployment":
            kubernetes_validate.validate(document, "1.34", strict=True)
    named = view.spec.model.credentials.secret_name if view.spec.model.credentials else None
    assert named == (found["Secret"]["metadata"]["name"] if "Secret" in found else None)
    assert is_fetched(view.spec.model) is (section in FETCHED)


@pytest.mark.parametrize("section", FETCHED)
def test_its_pods_fetch_with_that_secret_from_those_hosts(section: str, tmp_path: Path) -> None:
    """What the operator renders is what `serinus-fetch` takes: the URI, the keys, and hosts enough."""
    view, granted = deployment(section), granted_hosts(section)
    fetching = Fetching("example.com/serving:1", {}, granted)
    storage = plan_fetch(view.spec.model, view.spec.runtime, fetching, model="fraud", revision="fraud-0a1b2c3d4e")
    (fetcher,) = storage.init_containers
    assert fetcher["envFrom"] == [{"secretRef": {"name": secret(section)["metadata"]["name"]}}]
    credentials = Credentials({key: str(value) for key, value in secret(section)["stringData"].items()})
    source = open_source(fetcher["args"][0], Access(credentials, "http://127.0.0.1:9", tmp_path))
    assert source.hosts == granted


@pytest.mark.parametrize("section", FETCHED)
def test_its_scheme_is_proven_by_the_contract_tests(section: str) -> None:
    """A row without a test that fetches so would be a promise."""
    text = (CONTRACT / FETCHED[section]).read_text()
    assert f"{PROVEN_BY.get(section, section)}://" in text


@pytest.mark.parametrize("section", [name for name in SECTIONS if name not in FETCHED])
def test_what_is_mounted_is_planned(section: str) -> None:
    """The image and the claim are the team's; the ConfigMap of the page holds a model that Triton would load."""
    view = deployment(section)
    server, uri = runtime_of(view.spec.runtime), view.spec.model.storage_uri
    keys = documents(section).get("ConfigMap", {}).get("data", {})
    copy = "fraud-0a1b2c3d4e" if source_config_map(uri) else None
    assert plan_storage(uri, server, model="fraud", config_map=copy, keys=tuple(keys)).init_containers == ()
