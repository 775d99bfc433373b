"""From a KServe InferenceService to a ModelDeployment."""

from __future__ import annotations

from typing import Final

from serinus.api.constraints import Image, StorageUri
from serinus.api.served_model import ModelFormat
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting
from serinus.cli.convert.original import Place
from serinus.cli.convert.pods import CONTAINER, POD, TRITON, first_container, runtime_of
from serinus.cli.convert.routes import made_up_traffic
from serinus.cli.convert.rule_settings import add_timeout
from serinus.cli.convert.steps import StepList
from serinus.cli.convert.whole import set_replicas
from serinus.core.model.kinds import Json
from serinus.core.plan.artifacts import SCHEMES
from serinus.core.plan.storage import scheme_of

PREDICTOR: Final[Place] = ("spec", "predictor")
FORMATS: Final = ("triton", "tensorrt", "tensorflow", "onnx", "pytorch", "python", "openvino")
"""What a Triton of NVIDIA serves as it is; a name before a hyphen is enough."""
OLDER: Final = (
    "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml", "lightgbm", "paddle",
)  # fmt: skip
"""Frameworks that are fields of their own in older manifests."""
TRITON_RUNTIMES: Final = (None, "kserve-tritonserver")
V2: Final = (None, "v2", "grpc-v2")
VISIBILITY: Final = ("networking.knative.dev/visibility", "networking.kserve.io/visibility")
NO_SCALER: Final = "no autoscaler is made; your own may target a revision's Deployment"
REASONS: Final = {
    "spec.transformer": "no transformers: serve it beside the model, or as a Triton ensemble",
    "spec.explainer": "no explainers: serve it beside the model",
    "spec.predictor.maxReplicas": NO_SCALER,
    "spec.predictor.scaleTarget": NO_SCALER,
    "spec.predictor.scaleMetric": NO_SCALER,
    "spec.predictor.scaleMetricType": NO_SCALER,
    "spec.predictor.autoScaling": NO_SCALER,
    "spec.predictor.containerConcurrency": "Triton queues requests: set instance_group and dynamic_batching",
    "spec.predictor.batcher": "Triton batches requests: set dynamic_batching in config.pbtxt",
    "spec.predictor.logger": "the gateway logs requests",
    "spec.predictor.workerSpec": "a model is served by one pod, and not by several nodes together",
    "spec.predictor.deploymentStrategy": "spec.strategy is how a version is replaced",
    "spec.predictor.model.storage": "write spec.model.storageUri, such as s3://bucket/path, and spec.model.credentials",
    **{f"spec.predictor.{field}": why for field, why in POD.items()},
    **{f"spec.predictor.containers[].{field}": why for field, why in CONTAINER.items()},
    **{f"spec.predictor.{model}.{field}": why for model in ("model", *OLDER) for field, why in CONTAINER.items()},
}
FETCHED = (
    "is fetched by an init container: the administrator grants its host (tenants[].artifactHosts), and"
    " spec.model.credentials names the Secret with the keys, which KServe takes from the ServiceAccount"
)


def from_inference_service(draft: Draft, name: str) -> None:
    """Fill the draft."""
    model = _model_place(draft)
    draft.spec["model"] = _model(draft, name, model)
    container = model or first_container(draft, draft.original, PREDICTOR)
    draft.spec["runtime"] = runtime_of(draft, draft.original, PREDICTOR, container, image=_image(draft, model))
    set_replicas(draft, (*PREDICTOR, "minReplicas"))
    _traffic(draft, name)
    add_timeout(draft, (*PREDICTOR, "timeout"))
    _steps(draft)
    draft.lose_the_rest(REASONS)


def _traffic(draft: Draft, name: str) -> None:
    """Make up a host as KServe does, unless callers in the cluster were all it had."""
    labels = draft.original.look("metadata", "labels") or {}
    if any(labels.get(label) == "cluster-local" for label in VISIBILITY):
        draft.note("spec.traffic", f"left out, so callers in the mesh only, by the Service {name}")
        return
    made_up_traffic(draft, name, "KServe makes up a host of name, namespace and domain")


def _model_place(draft: Draft) -> Place | None:
    """Find the model: a field of its own, or one named after its framework."""
    named = ("model", *OLDER)
    return next(((*PREDICTOR, each) for each in named if draft.original.look(*PREDICTOR, each) is not None), None)


def _model(draft: Draft, name: str, place: Place | None) -> Json:
    draft.placeholder("spec.model.version", "KServe numbers no models: write this one's version")
    model: Json = {"version": "1"}
    if place is None:
        draft.placeholder("spec.model.storageUri", "the predictor is a container of its own: write where its model is")
        return model | {"storageUri": f"pvc://models/{name}"}
    written = _format(draft, place)
    if written is not None:
        model["modelFormat"] = written
    protocol = draft.original.text(*place, "protocolVersion")
    if protocol not in V2:
        draft.lost((*place, "protocolVersion"), f"{protocol}: clients speak the v2 protocol to Triton")
    return model | {"storageUri": _storage(draft, name, place)}


def _format(draft: Draft, place: Place) -> Json | None:
    """Read the format, and say what Triton does not serve as it is."""
    given = draft.original.text(*place, "modelFormat", "name") if place[-1] == "model" else str(place[-1])
    if given is None or given == "triton":
        return None
    if given.partition("-")[0] not in FORMATS:
        where = (*place, "modelFormat", "name") if place[-1] == "model" else place
        draft.note(
            ".".join(map(str, where)),
            f"{given} is nothing that Triton serves as it is: convert the model (to ONNX, or for the FIL or Python"
            " backend), with a config.pbtxt",
        )
    written: Json | None = fitting(ModelFormat, {"name": given})
    return written


def _storage(draft: Draft, name: str, place: Place) -> str:
    """Carry over where the model is, if the operator can read it there."""
    uri = draft.original.text(*place, "storageUri")
    if uri is not None and fitting(StorageUri, uri) is not None:
        if scheme_of(uri) in SCHEMES:
            draft.note("spec.model.storageUri", FETCHED)
            return uri
        draft.note(
            "spec.model.storageUri",
            "is the model's own folder, with config.pbtxt in it; KServe's for Triton is the repository around it: add"
            " the model's name to the path, and write it in spec.model.name if clients ask for it",
        )
        return uri
    made_up = f"pvc://models/{name}"
    if uri is not None:
        scheme = uri.partition("://")[0]
        draft.lost((*place, "storageUri"), f"{uri}: models are not read from {scheme}://: copy the model to a claim")
    draft.placeholder(
        "spec.model.storageUri",
        "write where the model is: s3://bucket/path, oci://registry/repo:tag or pvc://claim/path",
    )
    return made_up


def _image(draft: Draft, place: Place | None) -> str | None:
    """Choose the Triton that KServe's own runtime has, by its version."""
    if place is None or draft.original.look(*place, "image") is not None:
        return None
    runtime = draft.original.text(*place, "runtime")
    if runtime not in TRITON_RUNTIMES:
        draft.lost((*place, "runtime"), f"({runtime}) write the image of this ServingRuntime in spec.runtime.image")
    version = draft.original.text(*place, "runtimeVersion")
    is_triton = place[-1] == "triton" or draft.original.look(*place, "modelFormat", "name") == "triton"
    if version is None:
        return None
    image = f"{TRITON}:{version}"
    if not is_triton or runtime not in TRITON_RUNTIMES or fitting(Image, image) is None:
        draft.lost((*place, "runtimeVersion"), f"{version} is the version of another server than Triton")
        return None
    return image


def _steps(draft: Draft) -> None:
    """Carry the canary's share over: KServe stays there until somebody changes it."""
    percent = draft.original.whole(*PREDICTOR, "canaryTrafficPercent")
    walk = StepList()
    refused = "is not set" if percent is None else walk.weight(percent) or walk.pause(None)
    strategy = walk.strategy()
    if percent is not None and refused is not None:
        draft.lost((*PREDICTOR, "canaryTrafficPercent"), refused)
    if strategy is None:
        draft.note("spec.strategy", "left out, so the default: 5, 25 and 50 % for a minute each; KServe goes at once")
        return
    draft.spec["strategy"] = strategy
    draft.note("spec.strategy.canary.steps", "the pause waits for serinus promote, and the whole rollout is judged")
