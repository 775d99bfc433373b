"""The examples are tests: each has a manifest that parses, a README that says the path it takes, and valid objects."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from serinus.api import crds
from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_model_deployment
from serinus_serving.fetch.layout import lay_out

FOLDERS = sorted(path for path in (crds.ROOT / "examples").iterdir() if path.is_dir())
MANIFESTS = sorted((crds.ROOT / "examples").glob("*/*.yaml"))
DEMO = [crds.ROOT / f"examples/demo/v{version}.yaml" for version in (1, 2, 3, 4)]


BACKENDS = crds.ROOT / "examples" / "13-fraud-onnx" / "triton"


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


def test_requests_and_answers_are_the_same_on_both_backends() -> None:
    """Who trains for NVIDIA's image has the same inputs and outputs as who trains for the local one."""
    read = {name: _config(name) for name in ("python", "onnxruntime")}
    assert [config.backend for config in read.values()] == list(read)
    for config in read.values():
        config.ClearField("backend")
    assert read["python"] == read["onnxruntime"]


@pytest.mark.parametrize(
    ("backend", "beside"), [("python", {"1/model.py"}), ("onnxruntime", set())], ids=["python", "onnxruntime"]
)
def test_a_trained_model_has_the_layout_of_its_backend(backend: str, beside: set[str]) -> None:
    """What train.py writes is fetched as it is: config.pbtxt, and the version folder 1 with model.onnx."""
    copied = {path.name for path in (BACKENDS / backend).iterdir()}
    assert {f"1/{name}" for name in copied - {"config.pbtxt"}} == beside
    written = ["config.pbtxt", "1/model.onnx", *beside]
    laid = lay_out({"config.pbtxt": (BACKENDS / backend / "config.pbtxt").read_text()}, written, "phishing")
    assert dict(laid.moves) == {path: f"phishing/{path}" for path in written}


def _config(backend: str) -> Any:
    """Read a config.pbtxt as Triton does."""
    return text_format.Parse((BACKENDS / backend / "config.pbtxt").read_text(), ModelConfig())
