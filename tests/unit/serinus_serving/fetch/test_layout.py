"""Triton's layout is put right where it is evident, and refused with a sentence where it is not."""

from __future__ import annotations

import pytest

from serinus_serving.fetch.errors import ArtifactLayout
from serinus_serving.fetch.layout import Layout, keep, lay_out

ENSEMBLE = 'platform: "ensemble"\nensemble_scheduling { step [] }'
LABELS = 'output [ { name: "y" label_filename: "classes.csv" } ]'
PACKED = 'parameters: {key: "EXECUTION_ENV_PATH", value: {string_value: "$$TRITON_MODEL_DIRECTORY/env/conda.tgz"}}'


def laid(*paths: str, **configs: str) -> Layout:
    """Lay out files, for the model `fraud`; `config` is the text of config.pbtxt."""
    texts = {path: configs.get("config", "") for path in paths if path.endswith("config.pbtxt")}
    return lay_out(texts, paths, "fraud")


@pytest.mark.parametrize(
    ("paths", "config", "expected"),
    [
        pytest.param(["config.pbtxt", "1/model.onnx"], "", ["config.pbtxt", "1/model.onnx"], id="as Triton wants it"),
        pytest.param(["7/model.onnx"], "", ["7/model.onnx"], id="a version without a configuration"),
        pytest.param(["model.onnx"], "", ["1/model.onnx"], id="a bare ONNX model"),
        pytest.param(["fraud-v3.onnx"], "", ["1/model.onnx"], id="one ONNX file by another name"),
        pytest.param(["model.pt", "config.pbtxt"], "", ["1/model.pt", "config.pbtxt"], id="a bare TorchScript model"),
        pytest.param(
            ["model.py", "steps.py", "weights.npz"],
            "",
            ["1/model.py", "1/steps.py", "1/weights.npz"],
            id="a Python model with its modules",
        ),
        pytest.param(
            ["model.onnx", "model.onnx.data"],
            "",
            ["1/model.onnx", "1/model.onnx.data"],
            id="ONNX with its weights beside",
        ),
        pytest.param(
            ["model.savedmodel/saved_model.pb", "model.savedmodel/variables/v"],
            "",
            ["1/model.savedmodel/saved_model.pb", "1/model.savedmodel/variables/v"],
            id="a bare SavedModel",
        ),
        pytest.param(
            ["saved_model.pb", "variables/v"],
            "",
            ["1/model.savedmodel/saved_model.pb", "1/model.savedmodel/variables/v"],
            id="what TensorFlow exports",
        ),
        pytest.param(["model.xml", "model.bin"], "", ["1/model.xml", "1/model.bin"], id="OpenVINO's two files"),
        pytest.param(
            ["config.pbtxt", "model.onnx", "classes.csv"],
            LABELS,
            ["config.pbtxt", "1/model.onnx", "classes.csv"],
            id="labels that the configuration names stay",
        ),
        pytest.param(
            ["config.pbtxt", "model.py", "env/conda.tgz"],
            PACKED,
            ["config.pbtxt", "1/model.py", "env/conda.tgz"],
            id="a packed environment that the configuration names stays",
        ),
        pytest.param(
            ["model.py", "env.tar.gz", "labels.txt"],
            "",
            ["1/model.py", "env.tar.gz", "labels.txt"],
            id="what is evidently packed or a list of labels stays",
        ),
        pytest.param(
            ["config.pbtxt", "model.onnx", "warmup/sample"],
            "",
            ["config.pbtxt", "1/model.onnx", "warmup/sample"],
            id="warm-up samples stay",
        ),
        pytest.param(
            ["config.pbtxt", "net.onnx"],
            'default_model_filename: "net.onnx"',
            ["config.pbtxt", "1/net.onnx"],
            id="a file that the configuration names keeps its name",
        ),
    ],
)
def test_one_model_gets_its_version_folder(paths: list[str], config: str, expected: list[str]) -> None:
    """What belongs beside the version folder stays there."""
    found = laid(*paths, config=config)
    assert dict(found.moves) == {path: f"fraud/{to}" for path, to in zip(paths, expected, strict=True)}
    assert (found.models, found.empty) == (("fraud",), ())


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        pytest.param(["any/1/model.onnx", "any/config.pbtxt"], ["1/model.onnx", "config.pbtxt"], id="one"),
        pytest.param(["a/b/model.onnx"], ["1/model.onnx"], id="two"),
        pytest.param(
            ["42/config.pbtxt", "42/1/model.onnx"], ["config.pbtxt", "1/model.onnx"], id="called as a version"
        ),
    ],
)
def test_folders_around_the_model_are_taken_away(paths: list[str], expected: list[str]) -> None:
    """An archive is usually packed with its folder."""
    assert dict(laid(*paths).moves) == {path: f"fraud/{to}" for path, to in zip(paths, expected, strict=True)}


def test_models_beside_it_are_kept() -> None:
    """An ensemble comes with its steps, each in a folder of its own beside the model."""
    paths = ("fraud/config.pbtxt", "scale/model.py", "net/config.pbtxt", "net/1/model.onnx")
    found = lay_out({"fraud/config.pbtxt": ENSEMBLE, "net/config.pbtxt": ""}, paths, "fraud")
    assert dict(found.moves) == dict(zip(paths, (paths[0], "scale/1/model.py", *paths[2:]), strict=True))
    assert set(found.models) == {"fraud", "scale", "net"}


def test_an_ensemble_gets_its_empty_version_folder() -> None:
    """Triton asks for one, and stores cannot keep it."""
    assert laid("config.pbtxt", config=ENSEMBLE).empty == ("fraud/1",)


@pytest.mark.parametrize(
    ("paths", "sentence"),
    [
        pytest.param(["1/model.onnx", "2/model.onnx"], "holds the versions 1, 2.* keep one", id="two versions"),
        pytest.param(["weights.bin"], "weights.bin and no model.*model.onnx", id="no model"),
        pytest.param(["a.onnx", "b.onnx"], "a.onnx, b.onnx and no model", id="two models without names"),
        pytest.param(
            ["config.pbtxt", "weights.bin"], "no model beside it: put the model into 1/", id="only a configuration"
        ),
        pytest.param(
            ["net/1/model.onnx", "pre/1/model.py"], "the models net, pre and none is called fraud", id="which one"
        ),
        pytest.param(["01/model.bin"], "model.bin and no model", id="a version that Triton ignores"),
        pytest.param(
            ["fraud/1/model.onnx", "fraud/2/model.onnx", "pre/1/model.py"],
            "fraud/ holds the versions",
            id="in one of several",
        ),
    ],
)
def test_what_is_not_evident_is_refused(paths: list[str], sentence: str) -> None:
    """The sentence says what is there and how it should be."""
    with pytest.raises(ArtifactLayout, match=sentence):
        laid(*paths)


@pytest.mark.parametrize(
    ("paths", "needed", "expected"),
    [
        pytest.param(["a/x", "a/y"], [], {"a/x": "fraud/a/x", "a/y": "fraud/a/y"}, id="nothing is needed"),
        pytest.param(["s.json", "a/x"], ["s.json"], {"s.json": "fraud/s.json", "a/x": "fraud/a/x"}, id="at the root"),
        pytest.param(["p/q/s.json", "p/q/x"], ["s.json"], {"p/q/s.json": "fraud/s.json", "p/q/x": "fraud/x"}, id="in"),
    ],
)
def test_what_another_server_loads_is_kept(paths: list[str], needed: list[str], expected: dict[str, str]) -> None:
    """Only folders around it are taken away, as archives have them."""
    assert keep(paths, "fraud", needed) == Layout(expected, ("fraud",))


@pytest.mark.parametrize(
    ("paths", "held"),
    [(["a/s.json", "b/x"], "a, b"), (["model.joblib"], "model.joblib"), (["a/model.joblib"], "model.joblib")],
    ids=["in one of two folders", "nowhere", "in no folder around it"],
)
def test_what_another_server_could_not_load_is_refused(paths: list[str], held: str) -> None:
    """The sentence names what is there, and what is not."""
    with pytest.raises(ArtifactLayout, match=f"it holds {held} and no s.json: add it"):
        keep(paths, "fraud", ["s.json"])
