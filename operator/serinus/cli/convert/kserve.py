"""From a KServe InferenceService to a ModelDeployment."""

from __future__ import annotations

from typing import Any, Final

from serinus.api.constraints import Image, ModelName, StorageUri
from serinus.api.served_model import ModelFormat
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting
from serinus.cli.convert.kserve_servers import OPENAI, TRITON, PredictorServer, format_of, server_of
from serinus.cli.convert.original import Place
from serinus.cli.convert.pods import CONTAINER, POD, first_container, runtime_of
from serinus.cli.convert.routes import made_up_traffic
from serinus.cli.convert.rule_settings import add_timeout
from serinus.cli.convert.steps import StepList
from serinus.cli.convert.whole import set_replicas
from serinus.core.model.kinds import Json
from serinus.core.plan.artifacts import SCHEMES
from serinus.core.plan.storage import scheme_of

PREDICTOR: Final[Place] = ("spec", "predictor")
OLDER: Final = (
    "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml", "lightgbm", "paddle",
)  # fmt: skip
"""Frameworks that are fields of their own in older manifests."""
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
    "spec.predictor.containerConcurrency": "the server queues requests: see Triton's instance_group",
    "spec.predictor.batcher": "the server batches requests: see dynamic_batching in Triton's config.pbtxt",
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
    container = model or first_container(draft, draft.original, PREDICTOR)
    server = server_of(draft, model, container)
    draft.spec["model"] = _model(draft, name, model, server)
    typed = {} if server is TRITON else {"type": str(server.type)}
    image = _image(draft, model, server)
    runtime = runtime_of(draft, draft.original, PREDICTOR, container, image=image, images=server.images)
    draft.spec["runtime"] = typed | runtime
    if server.differs:
        draft.note("spec.runtime.type", f"{server.type} {server.differs}")
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


def _model(draft: Draft, name: str, place: Place | None, server: PredictorServer) -> Json:
    draft.placeholder("spec.model.version", "KServe numbers no models: write this one's version")
    model: Json = {"version": "1"}
    if place is None:
        draft.placeholder("spec.model.storageUri", "the predictor is a container of its own: write where its model is")
        return model | {"storageUri": f"pvc://models/{name}"}
    written = _format(draft, place, server)
    if written is not None:
        model["modelFormat"] = written
    protocol = draft.original.text(*place, "protocolVersion")
    if protocol not in V2 or (protocol is not None and server is OPENAI):
        draft.lost((*place, "protocolVersion"), f"{protocol}: clients speak {server.protocol}")
    served = _argument(draft, place, "--model_name", ModelName) if server is OPENAI else None
    return model | ({"name": served} if served else {}) | {"storageUri": _storage(draft, name, place, server)}


def _format(draft: Draft, place: Place, server: PredictorServer) -> Json | None:
    """Read the format, and say what Triton does not serve as it is."""
    given = draft.original.text(*place, "modelFormat", "name") if place[-1] == "model" else str(place[-1])
    if given is None or given == "triton":
        return None
    if server is TRITON and given.partition("-")[0] not in server.formats:
        where = (*place, "modelFormat", "name") if place[-1] == "model" else place
        draft.note(
            ".".join(map(str, where)),
            f"{given} is nothing that Triton serves as it is: convert the model (to ONNX, or for the FIL or Python"
            " backend), with a config.pbtxt",
        )
    written: Json | None = fitting(ModelFormat, {"name": given})
    return written


def _argument(draft: Draft, place: Place, flag: str, kind: Any) -> str | None:
    """Take what a flag of KServe's Hugging Face server says, if it fits a field of ours."""
    for index in draft.original.items(*place, "args"):
        word, _, value = str(draft.original.look(*place, "args", index)).partition("=")
        if word == flag and fitting(kind, value) is not None:
            draft.original.take(*place, "args", index)
            return value
    return None


def _storage(draft: Draft, name: str, place: Place, server: PredictorServer) -> str:
    """Carry over where the model is, if the operator can read it there."""
    uri = draft.original.text(*place, "storageUri") or _hub(draft, place, server)
    if uri is not None and fitting(StorageUri, uri) is not None:
        draft.note("spec.model.storageUri", FETCHED if scheme_of(uri) in SCHEMES else server.folder)
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


def _hub(draft: Draft, place: Place, server: PredictorServer) -> str | None:
    """Read the model on Hugging Face's hub that KServe's server would fetch by itself."""
    model = _argument(draft, place, "--model_id", str) if server is OPENAI else None
    return f"hf://{model}" if model and fitting(StorageUri, f"hf://{model}") else None


def _image(draft: Draft, place: Place | None, server: PredictorServer) -> str | None:
    """Choose the image that KServe's own runtime has, by its version."""
    if place is None or draft.original.look(*place, "image") is not None:
        return None
    runtime = draft.original.text(*place, "runtime")
    if runtime not in {None, server.kserve_runtime}:
        draft.lost((*place, "runtime"), f"({runtime}) write the image of this ServingRuntime in spec.runtime.image")
    version = draft.original.text(*place, "runtimeVersion")
    if version is None:
        return None
    image = f"{server.images.repository}:{version}"
    if not server.takes_version(runtime, str(format_of(draft, place))) or fitting(Image, image) is None:
        title = server.images.title
        draft.lost((*place, "runtimeVersion"), f"{version} is the version of another server than {title}")
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
