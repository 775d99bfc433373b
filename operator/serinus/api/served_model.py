"""The model that is served, and the sample request that it must answer. A change here makes a new revision."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Annotated

from pydantic import Field, WithJsonSchema

from serinus.api.base import ApiModel
from serinus.api.constraints import ModelName, ObjectName, Sha256, StorageUri, Version
from serinus.api.rules import ATOMIC, MAP_BY_NAME

Scalar = Annotated[
    bool | int | float | str,
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True, "description": "A number, text or truth value."}),
]


class Datatype(StrEnum):
    """A tensor's type in the KServe v2 protocol; FP16 and BF16 have no JSON form."""

    BOOL = "BOOL"
    UINT8 = "UINT8"
    UINT16 = "UINT16"
    UINT32 = "UINT32"
    UINT64 = "UINT64"
    INT8 = "INT8"
    INT16 = "INT16"
    INT32 = "INT32"
    INT64 = "INT64"
    FP32 = "FP32"
    FP64 = "FP64"
    BYTES = "BYTES"


class ModelFormat(ApiModel):
    """The format that the model is stored in, in KServe's terms."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_.-]*$", max_length=63)]
    """Such as onnx, python or tensorrt. Informational: the server reads its own settings."""


class ProbeInput(ApiModel):
    """One input tensor of the sample request, as in the KServe v2 JSON protocol."""

    name: Annotated[str, Field(min_length=1, max_length=128)]
    """The input's name in the model configuration."""
    datatype: Datatype
    """The tensor's type, such as FP32."""
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8), ATOMIC]
    """The tensor's dimensions, including the batch if the model has one."""
    data: Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=4096), ATOMIC]
    """The values, flat, in row-major order."""

    @property
    def mismatch(self) -> str | None:
        """Say how shape and data differ: CEL cannot see a list whose items have no one type."""
        wanted = math.prod(self.shape)
        return None if wanted == len(self.data) else f"shape asks for {wanted} values, data has {len(self.data)}"


class Probe(ApiModel):
    """A sample request that every pod must answer once before it gets traffic."""

    inputs: Annotated[tuple[ProbeInput, ...], Field(min_length=1, max_length=16), MAP_BY_NAME]
    """The input tensors."""


class Credentials(ApiModel):
    """As whom a model is fetched."""

    secret_name: ObjectName
    """A Secret in the namespace; its keys are the variables of the store's own tools."""


Origin = Annotated[str, Field(min_length=1, max_length=253)]


class Lineage(ApiModel):
    """Where a model comes from, for people: kept with its revision, and shown by `serinus history`."""

    mlflow_run_id: Origin | None = None
    """The run that trained it; of mlflow:// it is known without."""
    git_commit: Origin | None = None
    """The commit of the training code."""
    dvc_rev: Origin | None = None
    """The revision of the data."""
    data_version: Origin | None = None
    """The data, by any name of yours."""
    trained_at: Origin | None = None
    """When it was trained."""
    labels: Annotated[dict[str, Origin], Field(max_length=16)] | None = None
    """Anything else."""


class ServedModel(ApiModel):
    """The model. A change here makes a new revision."""

    name: ModelName | None = None
    """The server's name of the model; default metadata.name."""
    version: Version
    """The model's own version: free text."""
    model_format: ModelFormat | None = None
    """The model's format."""
    storage_uri: StorageUri
    """Where the model is: docs/models.md has the schemes. What moves (a tag, a ConfigMap) is looked up when model or
    runtime changes."""
    digest: Sha256 | None = None
    """The digest of a fetched model (docs/artifact-digest.md); default: that of what the first pod got."""
    credentials: Credentials | None = None
    """As whom the model is fetched. A change makes no new revision."""
    lineage: Lineage | None = None
    """Where it comes from. A change makes no new revision."""
    probe: Probe | None = None
    """A sample request that every pod must answer once, over gRPC, before it gets traffic. If the operator cannot reach
    the pods, their readiness counts instead. If stable has another one, one canary pod is asked that once too: a
    revert by client errors then says why the canary refuses it."""
