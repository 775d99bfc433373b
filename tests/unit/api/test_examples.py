"""The examples are tests: each has a manifest that parses, a README that says the path it takes, and valid objects."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from serinus.api import crds
from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_model_deployment

FOLDERS = sorted(path for path in (crds.ROOT / "examples").iterdir() if path.is_dir())
MANIFESTS = sorted((crds.ROOT / "examples").glob("*/*.yaml"))
DEMO = [crds.ROOT / f"examples/demo/v{version}.yaml" for version in (1, 2, 3, 4)]


def _documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def _id(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_the_readme_names_every_file(folder: Path) -> None:
    """A README says how to apply each manifest beside it, and the path that the rollout takes."""
    text = (folder / "README.md").read_text()
    assert "path it takes" in text
    assert [path.name for path in folder.glob("*.yaml") if path.name not in text] == []


@pytest.mark.parametrize("path", MANIFESTS, ids=_id)
def test_the_manifest_is_valid(path: Path) -> None:
    """Kubernetes' own objects have no unknown field, and ours parse with a policy."""
    for document in _documents(path):
        if document["kind"] == "ModelDeployment":
            assert policy_of(parse_model_deployment(document).spec).digest
        else:
            kubernetes_validate.validate(document, "1.34", strict=True)


@pytest.mark.parametrize("path", MANIFESTS, ids=_id)
def test_the_model_is_python(path: Path) -> None:
    """A model.py in a ConfigMap compiles, and is called what Triton looks for."""
    for document in _documents(path):
        if source := document.get("data", {}).get("model.py"):
            classes = [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
            assert classes == ["TritonPythonModel"]


def test_the_demos_versions_differ_in_the_model_alone() -> None:
    """What the demo shows is the model's doing: runtime, strategy and analysis stay as they are."""
    specs = [next(each for each in _documents(path) if each["kind"] == "ModelDeployment")["spec"] for path in DEMO]
    assert [spec.pop("model")["version"] for spec in specs] == ["1", "2", "3", "4"]
    assert all(spec == specs[0] for spec in specs)


def test_each_version_of_the_demo_says_its_own_number() -> None:
    """Answers can be counted by version."""
    models = [next(each for each in _documents(path) if each["kind"] == "ConfigMap") for path in DEMO]
    assert [model["metadata"]["name"] for model in models] == ["fraud-1", "fraud-2", "fraud-3", "fraud-4"]
    assert all(f"VERSION = {n}\n" in model["data"]["model.py"] for n, model in enumerate(models, 1))
