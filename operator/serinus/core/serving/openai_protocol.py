"""The OpenAI HTTP protocol, as vLLM and others speak it: what callers of a model need of it.

Sources: https://platform.openai.com/docs/api-reference and vLLM 0.33's own routes. Streams are server-sent events in
the answer to an ordinary POST. What is left out changes the server for all callers (vLLM's LoRA adapters, sleep and
profiling), or is known to the one pod that was asked (stored responses, realtime sessions). There is no gRPC.
"""

from __future__ import annotations

from typing import Final

from serinus.core.model.matches import By
from serinus.core.serving.interface import Interface, Path

_MODELS: Final = Path(By.REGEX, "/v1/models(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_INFERENCE: Final = ("chat/completions", "completions", "responses", "embeddings", "messages", "rerank", "score")
_AUDIO: Final = ("transcriptions", "translations", "speech")

OPENAI: Final = Interface(
    root="/v1",
    below=("/v1",),
    http=(
        *(Path(By.EXACT, f"/v1/{name}") for name in _INFERENCE),
        *(Path(By.EXACT, f"/v1/audio/{name}") for name in _AUDIO),
        _MODELS,
    ),
    few_http=(
        Path(By.REGEX, "/v1/((chat/)?completions|responses|embeddings|messages|rerank|score)"),
        Path(By.REGEX, f"/v1/audio/({'|'.join(_AUDIO)})"),
        _MODELS,
    ),
    grpc=(),
    few_grpc=(),
    grpc_services=(),
    loose_below=(
        "an HTTPRoute rewrites a path by its first elements alone, so all below /v1 is reachable below the prefix"
    ),
)
HEALTH_PATH: Final = "/health"
"""Of vLLM: 200 while its engine lives. Its port listens when the model is loaded, and no sooner."""
