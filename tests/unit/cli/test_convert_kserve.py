"""From a KServe InferenceService: the model, its Triton, and the canary's share."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from tests.unit.cli.convert_given import KSERVE, conversion_of, converted_file, predicted, said_of

TRAFFIC = {"hosts": ["flowers.example.com"], "istio": {"gateways": ["public"]}}


def test_the_first_example_is_carried_over() -> None:
    """By MLServer, which serves its format; its bucket is told to need a grant and a Secret."""
    one = converted_file("kserve_first")
    assert one.manifest["spec"] == {
        "model": {
            "version": "1",
            "modelFormat": {"name": "sklearn"},
            "storageUri": "gs://examples/models/sklearn/1.0/model",
        },
        "runtime": {
            "type": "mlserver",
            "image": "docker.io/seldonio/mlserver:1.7.1",
            "resources": {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        },
        "traffic": TRAFFIC,
    }
    (told,) = said_of(one, "spec.model.storageUri")
    assert "tenants[].artifactHosts" in told
    assert said_of(one, "spec.runtime.image")[0].startswith("placeholder: write the image with the MLServer")
    assert "model-settings.json" in said_of(one, "spec.runtime.type")[0]


def test_the_first_example_with_triton_is_carried_over() -> None:
    """KServe's own runtime has NVIDIA's image of that version, and the variables are the container's."""
    one = converted_file("kserve_triton")
    assert one.manifest["spec"]["runtime"] == {
        "image": "nvcr.io/nvidia/tritonserver:26.05-py3",
        "resources": {"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    }
    assert "modelFormat" not in one.manifest["spec"]["model"]
    assert not said_of(one, "spec.runtime.image")


def test_a_share_is_a_weight_that_somebody_promotes() -> None:
    """KServe stays at canaryTrafficPercent until somebody changes it."""
    one = converted_file("kserve_canary")
    assert one.manifest["spec"]["strategy"] == {"canary": {"steps": [{"setWeight": 10}, {"pause": {}}]}}


def test_a_claim_stays_where_it_is() -> None:
    """Only the folder's meaning differs, which a line says."""
    one = converted_file("kserve_canary")
    assert one.manifest["spec"]["model"] == {
        "version": "1", "modelFormat": {"name": "onnx"}, "storageUri": "pvc://claim/onnx/fraud",
    }  # fmt: skip
    assert said_of(one, "spec.model.storageUri")[0].startswith("note: is the model's own folder")


def test_the_rest_of_a_predictor_is_told() -> None:
    """Where its pods run is carried over; what stands beside the model is not."""
    one = converted_file("kserve_canary")
    runtime = one.manifest["spec"]["runtime"]
    assert one.manifest["spec"]["traffic"]["timeout"] == "60s"
    assert runtime["nodeSelector"] == {"pool": "gpu"}
    assert runtime["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    for field in ("transformer", "explainer", "predictor.maxReplicas", "predictor.scaleTarget",
                  "predictor.serviceAccountName", "predictor.model.args", "predictor.model.protocolVersion",
                  "predictor.model.modelFormat.version"):  # fmt: skip
        (told,) = said_of(one, f"spec.{field}")
        assert told.startswith("no equal: ")


def test_the_older_form_is_read() -> None:
    """A field named after the framework; nothing is scaled to zero."""
    spec = converted_file("kserve_canary", 1).manifest["spec"]
    assert spec["runtime"]["image"] == "nvcr.io/nvidia/tritonserver:26.05-py3"
    assert spec["scaling"] == {"minReplicas": 1}


def test_a_server_of_its_own_is_told_to_be_no_triton() -> None:
    """A predictor may be any container."""
    one = converted_file("kserve_canary", 2)
    assert one.manifest["spec"]["runtime"] == {
        "image": "registry.example.com/own:1", "env": [{"name": "A", "value": "b"}],
    }  # fmt: skip
    assert said_of(one, "spec.runtime.image")[0].startswith("placeholder: registry.example.com/own:1 must be a Triton")


@pytest.mark.parametrize("uri", ["ftp://b/m", "pvc://claim", "pvc://claim/../x"])
def test_a_uri_that_is_out_of_reach_is_a_placeholder(uri: str) -> None:
    """The API server takes the placeholder, and the line has the original."""
    one = predicted(model={"modelFormat": {"name": "onnx"}, "storageUri": uri})
    assert one.manifest["spec"]["model"]["storageUri"] == "pvc://models/scorer"
    assert uri in said_of(one, "spec.predictor.model.storageUri")[0]


@pytest.mark.parametrize("percent", [0, 101])
def test_a_share_that_is_no_weight_is_told(percent: int) -> None:
    """The default steps hold then."""
    one = predicted(canaryTrafficPercent=percent, triton={"storageUri": "pvc://claim/m"})
    assert "strategy" not in one.manifest["spec"]
    assert said_of(one, "spec.predictor.canaryTrafficPercent")


@pytest.mark.parametrize(
    ("predictor", "server", "image"),
    [
        pytest.param({"xgboost": {}}, "mlserver", "docker.io/seldonio/mlserver:1.7.1", id="a field of a framework"),
        pytest.param(
            {"model": {"modelFormat": {"name": "mlflow"}, "runtime": "kserve-mlserver", "runtimeVersion": "1.6.1"}},
            "mlserver",
            "docker.io/seldonio/mlserver:1.6.1",
            id="KServe's MLServer, with its version",
        ),
        pytest.param(
            {"model": {"modelFormat": {"name": "lightgbm"}, "image": "registry.example.com/our-mlserver:3"}},
            "mlserver",
            "registry.example.com/our-mlserver:3",
            id="an image of one's own",
        ),
        pytest.param(
            {"model": {"modelFormat": {"name": "huggingface"}, "runtimeVersion": "v0.15"}},
            "openai",
            "docker.io/vllm/vllm-openai:v0.33.0",
            id="KServe's server for Hugging Face",
        ),
        pytest.param(
            {"containers": [{"name": "kserve-container", "image": "vllm/vllm-openai:v0.30.0"}]},
            "openai",
            "vllm/vllm-openai:v0.30.0",
            id="vLLM as a container of its own",
        ),
        pytest.param(
            {"model": {"modelFormat": {"name": "sklearn"}, "runtime": "kserve-tritonserver"}},
            None,
            "nvcr.io/nvidia/tritonserver:26.07-py3",
            id="Triton, whatever the format",
        ),
        pytest.param({"pmml": {}}, None, "nvcr.io/nvidia/tritonserver:26.07-py3", id="a format that none serves"),
    ],
)
def test_the_server_is_what_the_predictor_says(predictor: Json, server: str | None, image: str) -> None:
    """Its image, its runtime, or else the format."""
    runtime = predicted(**predictor).manifest["spec"]["runtime"]
    assert (runtime.get("type"), runtime["image"]) == (server, image)


def test_a_format_that_no_server_serves_is_told() -> None:
    """The model has to be converted."""
    assert "pmml is nothing that Triton serves" in said_of(predicted(pmml={}), "spec.predictor.pmml")[0]


def test_what_kserve_s_server_fetches_by_itself_is_an_address() -> None:
    """With the name that callers ask for; vLLM's own flags are left for the reader."""
    args = ["--model_name=llama", "--model_id=example/llama-8b", "--max_model_len=4096"]
    one = predicted(model={"modelFormat": {"name": "huggingface"}, "args": args, "protocolVersion": "v2"})
    model = one.manifest["spec"]["model"]
    assert (model["name"], model["storageUri"]) == ("llama", "hf://example/llama-8b")
    assert "tenants[].artifactHosts" in said_of(one, "spec.model.storageUri")[0]
    assert "podTemplate" in said_of(one, "spec.predictor.model.args[2]")[0]
    assert "OpenAI protocol" in said_of(one, "spec.predictor.model.protocolVersion")[0]
    assert "/openai/v1" in said_of(one, "spec.runtime.type")[0]


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ({"modelFormat": {"name": "onnx"}, "runtimeVersion": "1.0"}, "runtimeVersion"),
        ({"modelFormat": {"name": "triton"}, "runtime": "my-runtime"}, "runtime"),
    ],
)
def test_another_runtime_is_told(model: dict[str, object], field: str) -> None:
    """Its version is not that of a Triton, and its image is not known here."""
    one = predicted(model=model)
    assert one.manifest["spec"]["runtime"] == {"image": "nvcr.io/nvidia/tritonserver:26.07-py3"}
    assert said_of(one, f"spec.predictor.model.{field}")


def test_a_cluster_local_service_has_no_host() -> None:
    """Callers in the mesh use the Service's name."""
    metadata = {"name": "scorer", "labels": {"networking.kserve.io/visibility": "cluster-local"}}
    one = conversion_of({**KSERVE, "metadata": metadata, "spec": {"predictor": {"triton": {}}}}).converted[0]
    assert "traffic" not in one.manifest["spec"]
    assert said_of(one, "spec.traffic")
