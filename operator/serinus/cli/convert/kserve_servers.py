"""Which of our runtime types a predictor of KServe is, as its image, its runtime or its model's format says.

KServe chooses among its ServingRuntimes by the format:
https://github.com/kserve/kserve/tree/master/config/runtimes
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serinus.api.runtime import RuntimeType
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.original import Place
from serinus.cli.convert.pods import TRITON_IMAGES, ServerImages


@dataclass(frozen=True)
class PredictorServer:
    """A server of ours: by which formats and words in names KServe's is known, and what is different here."""

    type: RuntimeType
    images: ServerImages
    words: tuple[str, ...]
    formats: tuple[str, ...]
    kserve_runtime: str
    folder: str
    """What the model's folder must hold, where it is on a claim."""
    protocol: str
    """What clients speak to it."""
    differs: str = ""

    def takes_version(self, runtime: str | None, model_format: str | None) -> bool:
        """Whether `runtimeVersion` is the tag of an image of this server."""
        if self.type is RuntimeType.OPENAI:
            return False
        return runtime == self.kserve_runtime or (runtime is None and model_format == self.type)


TRITON: Final = PredictorServer(
    RuntimeType.TRITON,
    TRITON_IMAGES,
    ("triton",),
    ("triton", "tensorrt", "tensorflow", "onnx", "pytorch", "python", "openvino"),
    "kserve-tritonserver",
    "is the model's own folder, with config.pbtxt in it; KServe's for Triton is the repository around it: add"
    " the model's name to the path, and write it in spec.model.name if clients ask for it",
    "the v2 protocol to Triton",
)
"""What a Triton of NVIDIA serves as it is; a name before a hyphen is enough."""
MLSERVER: Final = PredictorServer(
    RuntimeType.MLSERVER,
    ServerImages("MLServer", "docker.io/seldonio/mlserver", "1.7.1", ("mlserver",)),
    ("mlserver",),
    ("sklearn", "xgboost", "lightgbm", "mlflow"),
    "kserve-mlserver",
    "is the model's own folder, with model-settings.json in it",
    "the v2 protocol to MLServer",
    "serves it: put a model-settings.json with the implementation beside the model, which KServe sets for it; clients"
    " speak the v2 protocol, and no v1",
)
OPENAI: Final = PredictorServer(
    RuntimeType.OPENAI,
    ServerImages("vLLM", "docker.io/vllm/vllm-openai", "v0.33.0", ("vllm",)),
    ("vllm", "huggingface"),
    ("huggingface", "vllm"),
    "kserve-huggingfaceserver",
    "is the model's own folder, as Hugging Face has it",
    "the OpenAI protocol to vLLM",
    "is vLLM, for models that write text: clients ask it below /v1, and KServe's server below /openai/v1",
)
SERVERS: Final = (TRITON, MLSERVER, OPENAI)


def server_of(draft: Draft, model: Place | None, container: Place | None) -> PredictorServer:
    """Tell it by what is the most exact: the image, the runtime, the format; Triton where nothing says otherwise."""
    look = draft.original.look
    image = None if container is None else look(*container, "image")
    runtime = None if model is None else look(*model, "runtime")
    for named in (image, runtime):
        for server in SERVERS:
            if any(word in str(named or "") for word in server.words):
                return server
    started = str(format_of(draft, model) or "").partition("-")[0]
    return next((server for server in SERVERS if started in server.formats), TRITON)


def format_of(draft: Draft, model: Place | None) -> object:
    """Give the format's name, or the framework that a field is named after."""
    if model is None:
        return None
    return draft.original.look(*model, "modelFormat", "name") if model[-1] == "model" else model[-1]
