"""The seam from `storageUri` to volumes and mounts."""

from __future__ import annotations

import pytest

from serinus.core.model.errors import InvalidSpec
from serinus.core.plan.storage import Storage, plan_storage, source_config_map
from tests.unit.core.plan.given import TRITON


@pytest.mark.parametrize(
    ("uri", "sub_path"),
    [
        pytest.param("pvc://models/fraud/42", "fraud/42", id="a folder"),
        pytest.param("pvc://models/fraud/42/", "fraud/42", id="a trailing slash"),
        pytest.param("pvc://models", None, id="the claim's root"),
    ],
)
def test_a_claim_is_mounted_read_only_at_the_models_folder(uri: str, sub_path: str | None) -> None:
    storage = plan_storage(uri, TRITON, model="fraud")
    mount = {"name": "model", "mountPath": "/models/fraud", "readOnly": True}
    assert storage.volumes == ({"name": "model", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}},)
    assert storage.volume_mounts == ({**mount, "subPath": sub_path} if sub_path else mount,)


@pytest.mark.parametrize(
    ("uri", "repository"),
    [
        pytest.param("file:///opt/models/fraud", "/opt/models", id="a folder"),
        pytest.param("file:///opt/models/fraud/", "/opt/models", id="a trailing slash"),
        pytest.param("file:///fraud", "/", id="at the root"),
    ],
)
def test_a_baked_model_needs_no_volume_and_its_parent_is_the_repository(uri: str, repository: str) -> None:
    assert plan_storage(uri, TRITON, model="fraud") == Storage(repository=repository)


def test_a_config_map_is_laid_out_as_a_model_with_one_version() -> None:
    storage = plan_storage(
        "configmap://fraud-src",
        TRITON,
        model="fraud",
        config_map="fraud-0123456789",
        keys=("model.py", "config.pbtxt", "w.npz"),
    )
    items = [
        {"key": "config.pbtxt", "path": "config.pbtxt"},
        {"key": "model.py", "path": "1/model.py"},
        {"key": "w.npz", "path": "1/w.npz"},
    ]
    assert storage.volumes == ({"name": "model", "configMap": {"name": "fraud-0123456789", "items": items}},)


@pytest.mark.parametrize(
    ("config", "key", "path"),
    [
        pytest.param('output [{label_filename: "labels.txt"}]', "labels.txt", "labels.txt", id="labels"),
        pytest.param("label_filename : 'labels.txt'", "labels.txt", "labels.txt", id="single quotes"),
        pytest.param('label_filename:"a.txt" label_filename:"b.txt"', "b.txt", "b.txt", id="several labels"),
        pytest.param('label_filename: "names/labels.txt"', "labels.txt", "names/labels.txt", id="in a folder"),
        pytest.param('input_data_file: "sample"', "sample", "warmup/sample", id="a warm-up"),
        pytest.param('data_file: "zeros"', "zeros", "initial_state/zeros", id="an initial state"),
        pytest.param(
            'parameters {key: "EXECUTION_ENV_PATH" value {string_value: "$$TRITON_MODEL_DIRECTORY/env.tar.gz"}}',
            "env.tar.gz",
            "env.tar.gz",
            id="an environment",
        ),
        pytest.param('# label_filename: "labels.txt"', "labels.txt", "1/labels.txt", id="a comment"),
        pytest.param('name: "a # b" label_filename: "l.txt"', "l.txt", "l.txt", id="no comment"),
        pytest.param('label_filename: "../../labels.txt"', "labels.txt", "1/labels.txt", id="out of the folder"),
        pytest.param('label_filename: "/labels.txt"', "labels.txt", "1/labels.txt", id="absolute"),
        pytest.param('default_model_filename: "net.onnx"', "net.onnx", "1/net.onnx", id="the model's own file"),
        pytest.param("", "labels.txt", "1/labels.txt", id="not named"),
    ],
)
def test_a_file_that_the_configuration_names_stands_where_triton_looks(config: str, key: str, path: str) -> None:
    """Keys cannot hold a slash; config.pbtxt says where each of them belongs."""
    keys = ("model.py", "config.pbtxt", key)
    storage = plan_storage("configmap://src", TRITON, model="fraud", config_map="copy", keys=keys, settings=config)
    paths = {item["key"]: item["path"] for item in storage.volumes[0]["configMap"]["items"]}
    assert paths == {"config.pbtxt": "config.pbtxt", "model.py": "1/model.py", key: path}


@pytest.mark.parametrize(
    ("uri", "fix"),
    [
        pytest.param("ftp://bucket/fraud", "write s3://", id="a scheme we do not have"),
        pytest.param("models/fraud", "has no scheme", id="no scheme"),
        pytest.param("pvc://models/../secrets", r"without \.\.", id="a way out of the folder"),
        pytest.param("pvc:///fraud", "names no claim", id="no claim"),
        pytest.param("file://models/fraud", "not an absolute path", id="a relative path"),
        pytest.param("file:///", "not an absolute path", id="the root"),
        pytest.param("file:///models/other", "set spec.model.name to other", id="another folder name"),
        pytest.param("configmap://a/b", "names no ConfigMap", id="a path in a ConfigMap"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_field_and_the_fix(uri: str, fix: str) -> None:
    with pytest.raises(InvalidSpec, match=fix) as refusal:
        plan_storage(uri, TRITON, model="fraud", config_map="copy", keys=("model.py",))
    assert refusal.value.field == "spec.model.storageUri"


@pytest.mark.parametrize("keys", [(), ("config.pbtxt",)], ids=["empty", "configuration only"])
def test_a_config_map_without_a_model_is_refused(keys: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSpec, match="holds no model"):
        plan_storage("configmap://fraud-src", TRITON, model="fraud", config_map="copy", keys=keys)


def test_a_config_map_that_was_not_copied_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="was not copied"):
        plan_storage("configmap://fraud-src", TRITON, model="fraud", keys=("model.py",))


def test_the_config_map_that_a_uri_names_can_be_asked_for() -> None:
    assert source_config_map("configmap://fraud-src") == "fraud-src"
    assert source_config_map("pvc://models/fraud") is None
