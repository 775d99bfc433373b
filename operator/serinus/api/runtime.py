"""The model server and its pod. A change here makes a new revision."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from serinus.api.base import ApiModel
from serinus.api.constraints import (
    DataKey,
    DeadlineSeconds,
    DrainSeconds,
    Image,
    LabelValue,
    ObjectName,
    Quantity,
    ResourceName,
    VariableName,
)
from serinus.api.pod_template import PodTemplate
from serinus.api.rules import ATOMIC, MAP_BY_NAME, rule, ruled, spoken

LabelKey = Annotated[str, Field(max_length=317)]
Quantities = Annotated[dict[str, Quantity], Field(max_length=16)]


class RuntimeType(StrEnum):
    """The model servers that we know."""

    TRITON = "triton"
    MLSERVER = "mlserver"
    OPENAI = "openai"
    """Whatever speaks the OpenAI HTTP protocol; vLLM unless `podTemplate.command` starts another."""


class Gpu(ApiModel):
    """GPUs of each pod."""

    count: Annotated[int, Field(ge=1, le=64)]
    """How many GPUs each pod gets."""
    resource_name: ResourceName | None = None
    """The device plugin's resource; default nvidia.com/gpu."""


class LocalReference(ApiModel):
    """The name of an object in the same namespace."""

    name: ObjectName
    """The object's name."""


class KeyReference(ApiModel):
    """A key of an object in the same namespace."""

    name: ObjectName
    """The object's name."""
    key: DataKey
    """The key in its data."""


class EnvSource(ApiModel):
    """Where the value of a variable comes from."""

    model_config = ruled(
        rule("has(self.secretKeyRef) != has(self.configMapKeyRef)", "set one of secretKeyRef and configMapKeyRef")
    )

    secret_key_ref: KeyReference | None = None
    """A key of a Secret."""
    config_map_key_ref: KeyReference | None = None
    """A key of a ConfigMap."""


class EnvVar(ApiModel):
    """An environment variable of the server."""

    model_config = ruled(
        spoken(
            "!(has(self.value) && has(self.valueFrom))",
            "'variable ' + self.name + ' has both value and valueFrom: keep one'",
        )
    )

    name: VariableName
    """The variable's name."""
    value: Annotated[str, Field(max_length=4096)] | None = None
    """The variable's value."""
    value_from: EnvSource | None = None
    """Where the value comes from."""


class TolerationOperator(StrEnum):
    """How a taint is compared."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class TaintEffect(StrEnum):
    """What a taint does to pods that do not tolerate it."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class Toleration(ApiModel):
    """A taint that the pods tolerate."""

    key: LabelKey | None = None
    """The taint's key; absent means any."""
    operator: TolerationOperator | None = None
    """Exists or Equal; default Equal."""
    value: LabelValue | None = None
    """The taint's value."""
    effect: TaintEffect | None = None
    """The taint's effect; absent means any."""


class Resources(ApiModel):
    """Compute resources of the server, as Kubernetes quantities."""

    requests: Quantities | None = None
    """What the scheduler reserves."""
    limits: Quantities | None = None
    """What the container may use. Shared memory counts towards memory."""


class Runtime(ApiModel):
    """The model server. A change here makes a new revision."""

    type: RuntimeType | None = None
    """The server: triton, mlserver (sklearn, xgboost, lightgbm and mlflow models) or openai (vLLM, or another of its
    protocol); default triton."""
    image: Image
    """The server's image. A moved tag makes no new revision: prefer a digest."""
    image_pull_secrets: Annotated[tuple[LocalReference, ...], Field(max_length=16), MAP_BY_NAME] | None = None
    """Secrets in the namespace to pull the image with."""
    resources: Resources | None = None
    """Compute resources of the server."""
    gpu: Gpu | None = None
    """GPUs of each pod; leave out to run on CPU."""
    env: Annotated[tuple[EnvVar, ...], Field(max_length=64), MAP_BY_NAME] | None = None
    """Environment variables of the server."""
    node_selector: Annotated[dict[str, LabelValue], Field(max_length=32)] | None = None
    """Labels of the nodes that the pods may run on."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32), ATOMIC] | None = None
    """Taints that the pods tolerate."""
    load_timeout_seconds: DeadlineSeconds | None = None
    """How long a pod may take to load the model before it is restarted; default 300."""
    drain_seconds: DrainSeconds | None = None
    """How long requests in flight are waited for: before a revision's pods go, and again in each pod that is told to
    stop; default 30. Set it to your longest inference."""
    pod_template: PodTemplate | None = None
    """What you add to the pods."""
