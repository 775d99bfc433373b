"""ModelDeployment: what to serve, how to serve it, how to route to it, how to replace it."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from serinus.api.base import Model
from serinus.api.policy import Analysis, Guard, Strategy
from serinus.api.status import Condition


class ModelFormat(Model):
    """The format that the model is stored in, in KServe's terms."""

    name: str


class ProbeInput(Model):
    """One input tensor of the sample request, as in the KServe v2 JSON protocol."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: tuple[Any, ...]


class Probe(Model):
    """A sample request that every pod must answer once before it gets traffic."""

    inputs: tuple[ProbeInput, ...]


class ServedModel(Model):
    """The model. A change here makes a new revision."""

    name: str | None = Field(default=None, description="Triton's model name; default metadata.name.")
    version: str
    model_format: ModelFormat | None = None
    storage_uri: str
    probe: Probe | None = None


class Gpu(Model):
    """GPUs per pod."""

    count: int
    resource_name: str | None = Field(default=None, description="Default nvidia.com/gpu.")


class LocalReference(Model):
    """The name of an object in the same namespace."""

    name: str


class KeyReference(Model):
    """A key of an object in the same namespace."""

    name: str
    key: str


class EnvSource(Model):
    """Where the value of a variable comes from."""

    secret_key_ref: KeyReference | None = None
    config_map_key_ref: KeyReference | None = None


class EnvVar(Model):
    """An environment variable of the Triton container."""

    name: str
    value: str | None = None
    value_from: EnvSource | None = None


class Toleration(Model):
    """A taint that the pods tolerate."""

    key: str | None = None
    operator: str | None = None
    value: str | None = None
    effect: str | None = None


class Resources(Model):
    """Compute resources of the Triton container, as Kubernetes quantities."""

    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class Runtime(Model):
    """The Triton server. A change here makes a new revision."""

    image: str
    image_pull_secrets: tuple[LocalReference, ...] | None = None
    resources: Resources | None = None
    gpu: Gpu | None = None
    env: tuple[EnvVar, ...] | None = None
    node_selector: dict[str, str] | None = None
    tolerations: tuple[Toleration, ...] | None = None
    load_timeout_seconds: int | None = Field(default=None, description="Default 300.")


class Scaling(Model):
    """How many pods. Live: a change makes no revision."""

    min_replicas: int = 1


class ConnectionPool(Model):
    """Limits of the connections to one revision, as in Istio's DestinationRule."""

    max_connections: int | None = None
    http1_max_pending_requests: int | None = None
    http2_max_requests: int | None = None
    max_requests_per_connection: int | None = None


class OutlierDetection(Model):
    """Ejection of failing pods, as in Istio's DestinationRule. Off unless asked: it may eject a lone canary pod."""

    consecutive_5xx_errors: int | None = Field(default=None, alias="consecutive5xxErrors")
    interval: str | None = None
    base_ejection_time: str | None = None
    max_ejection_percent: int | None = None


class IstioTraffic(Model):
    """What is particular to Istio."""

    gateways: tuple[str, ...] | None = Field(default=None, description="Istio Gateways, as name or namespace/name.")
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None


class Traffic(Model):
    """Where requests come in. Live: a change makes no revision."""

    provider: str | None = Field(default=None, description="Default istio.")
    hosts: tuple[str, ...] = ()
    istio: IstioTraffic | None = None


class ModelDeploymentSpec(Model):
    """The wish, as a team commits it to git."""

    model: ServedModel
    runtime: Runtime
    scaling: Scaling = Scaling()
    traffic: Traffic | None = None
    strategy: Strategy | None = None
    analysis: Analysis | None = None
    guard: Guard | None = None
    revision_history_limit: int = 10
    progress_deadline_seconds: int | None = Field(default=None, description="Default 600.")


class RevisionStatus(Model):
    """A revision as people call it."""

    revision: str
    version: str
    ready_replicas: int
    replicas: int


class Rejection(Model):
    """A pair of revision and policy that gets no traffic again until another pair or a retry."""

    revision: str
    version: str
    policy: str
    rollout: str
    reason: str
    at: str


class ModelDeploymentStatus(Model):
    """A copy for people; the truth of a rollout is in the Rollout's own status."""

    observed_generation: int = 0
    model: str | None = None
    serving: str | None = None
    phase: str | None = None
    verdict: str | None = None
    stable: RevisionStatus | None = None
    canary: RevisionStatus | None = None
    canary_version: str | None = None
    weight: int | None = None
    rollout: str | None = None
    rejected: tuple[Rejection, ...] = ()
    conditions: tuple[Condition, ...] = ()
