"""The operator's own configuration: a file, over it the environment, over it the flags.

Every mistake is told at once, each with its field, its value and what to write instead; a field that we do not know is
a mistake, because a misspelt limit that is ignored in silence is worse than an operator that does not start.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator

from serinus.config_places import ArtifactHost, ClaimName, ClusterDomain, EndpointUrl, HostFolder, RegisteredModels
from serinus.config_sources import (
    DNS_LABEL,
    SPOKEN,
    BasicAuthFiles,
    File,
    PrometheusSource,
    Strict,
    TlsConfig,
)
from serinus.core.model.errors import SerinusError
from serinus.core.model.names import CLUSTER_DOMAIN
from serinus.core.model.shards import MOST_SHARDS
from serinus.core.model.source import BasicAuth, Source, TlsFiles, without_secrets
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.plan.artifacts import Fetching
from serinus.core.plan.model_cache import CacheVolume
from serinus.core.plan.quantities import quantity
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.istio.routes import MeshConfig
from serinus.core.traffic.providers import TrafficProviders

ENVIRONMENT: Final = {
    "SERINUS_WORKERS": "workers",
    "SERINUS_DRAIN_SECONDS": "drainSeconds",
    "SERINUS_METRICS_ADDRESS": "metricsAddress",
    "SERINUS_METRICS_PORT": "metricsPort",
}
"""Variables that set a field; SERINUS_CONFIG is the file, and lists are left to it."""


def _is_no_truth(value: object) -> object:
    """Refuse what YAML reads as true or false, which would count as 1 or 0."""
    if isinstance(value, bool):
        raise ValueError("write a whole number")
    return value


Number = Annotated[int, BeforeValidator(_is_no_truth)]
"""One that may come from the environment, as a text."""


class ConfigError(SerinusError):
    """The configuration is invalid; `mistakes` has a sentence for each mistake."""

    def __init__(self, origin: str, mistakes: tuple[str, ...]) -> None:
        super().__init__(
            "\n".join((f"the configuration ({origin}) cannot be used:", *(f"- {each}" for each in mistakes)))
        )
        self.mistakes = mistakes


class Tenant(Strict):
    """What a namespace, or `*` for all of them, may use."""

    namespace: Annotated[str, Field(min_length=1)]
    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    artifact_hosts: tuple[ArtifactHost, ...] = ()
    registered_models: tuple[RegisteredModels, ...] = ()

    @field_validator("gateways")
    @classmethod
    def _are_qualified(cls, gateways: tuple[str, ...]) -> tuple[str, ...]:
        for each in gateways:
            if each != "*" and each.count("/") != 1:
                raise ValueError(f"{each!r} must be namespace/name, namespace/* or *")
        return gateways


class MlflowConfig(Strict):
    """Whether MLflow is told what became of its versions, and the operator's own login there; secrets lie in files."""

    write_back: bool = False
    bearer_token_file: File | None = None
    basic_auth: BasicAuthFiles | None = None
    tls_config: TlsConfig | None = None
    allow_insecure_auth: bool = False

    def mistake(self, url: str) -> str | None:
        """Say what is wrong with writing to an address; None for nothing."""
        login = "bearerTokenFile" if self.bearer_token_file else "basicAuth" if self.basic_auth else ""
        secure = url.startswith("https:")
        if self.bearer_token_file and self.basic_auth:
            return "mlflow has bearerTokenFile and basicAuth: use one of them"
        if login and not secure and not self.allow_insecure_auth:
            fix = "write endpoints.mlflow as https://…, or set allowInsecureAuth: true"
            return f"mlflow would send {login} over plain http: {fix}"
        if self.tls_config is not None and not secure:
            return "mlflow has tlsConfig but no TLS: write endpoints.mlflow as https://…"
        return None


class ArtifactsConfig(Strict):
    """How models are fetched: by the image that has `serinus-fetch`, and from other endpoints than the public ones."""

    image: str = ""
    endpoints: dict[Literal["s3", "gs", "az", "hf", "mlflow"], EndpointUrl] = Field(default_factory=dict)
    mlflow: MlflowConfig = MlflowConfig()

    @model_validator(mode="after")
    def _can_be_written_to(self) -> Self:
        if not self.mlflow.write_back:
            return self
        if "mlflow" not in self.endpoints:
            raise ValueError("mlflow.writeBack needs a server: set endpoints.mlflow to its address")
        mistake = self.mlflow.mistake(self.endpoints["mlflow"])
        if mistake is not None:
            raise ValueError(mistake)
        return self

    def registry(self) -> Source | None:
        """Give the registry that is told what became of its versions; None where none is."""
        if not self.mlflow.write_back:
            return None
        tls, basic = self.mlflow.tls_config or TlsConfig(), self.mlflow.basic_auth
        return Source(
            "mlflow",
            self.endpoints["mlflow"],
            self.mlflow.bearer_token_file,
            BasicAuth(basic.username, basic.password_file) if basic else None,
            tls=TlsFiles(tls.ca_file, tls.cert_file, tls.key_file),
        )


class ModelCacheConfig(Strict):
    """Where fetched models are kept for the pods that come later; nowhere unless a claim or a folder is named.

    The claim is of the model's own namespace; the folder is of each node, where namespaces may mount that.
    """

    claim: ClaimName = ""
    host_path: HostFolder = ""
    size: str = "50Gi"
    namespaces: tuple[Annotated[str, Field(pattern=rf"^\*$|{DNS_LABEL}")], ...] = ("*",)

    @field_validator("size")
    @classmethod
    def _is_a_number_of_bytes(cls, size: str) -> str:
        if quantity(size) < 1:
            raise ValueError(f"{size!r} is no size: write it as 50Gi")
        return size

    @model_validator(mode="after")
    def _is_in_one_place(self) -> Self:
        if self.claim and self.host_path:
            raise ValueError("the cache is on a claim or on the nodes: leave claim or hostPath out")
        return self

    def volume(self, namespace: str) -> CacheVolume | None:
        """Give the volume of a namespace, if it has one."""
        if not (self.claim or self.host_path) or not {"*", namespace}.intersection(self.namespaces):
            return None
        size = int(quantity(self.size))
        if self.claim:
            return CacheVolume(size, claim=self.claim)
        return CacheVolume(size, host_path=self.host_path, folder=namespace)


class LeaderElection(Strict):
    """Which operator writes if several run. The default namespace is the operator's own.

    The pods of one install share a Lease, or one for each of its shards; two installs need names of their own, or each
    would be taken for the other's standby.
    """

    enabled: bool = True
    namespace: str = ""
    name: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = "serinus"
    lease_seconds: Annotated[int, Field(ge=5, le=300, strict=True)] = 5


class Config(Strict):
    """The whole configuration; the first Prometheus is the default source."""

    prometheus: tuple[PrometheusSource, ...] = (
        PrometheusSource(name="default", url="http://prometheus.monitoring:9090"),
    )
    tenants: tuple[Tenant, ...] = ()
    mesh_gateway: bool = True
    cluster_domain: ClusterDomain = CLUSTER_DOMAIN
    export_to: tuple[str, ...] = ()
    watch_namespaces: tuple[Annotated[str, Field(pattern=DNS_LABEL)], ...] = ()
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 5
    workers: Annotated[Number, Field(ge=1, le=64)] = 8
    metrics_port: Annotated[Number, Field(ge=0, le=65535)] = 8080
    metrics_address: str = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod
    leader_election: LeaderElection = LeaderElection()
    shards: Annotated[int, Field(ge=1, le=MOST_SHARDS, strict=True)] = 1
    artifacts: ArtifactsConfig = ArtifactsConfig()
    model_cache: ModelCacheConfig = ModelCacheConfig()

    @field_validator("shards")
    @classmethod
    def _are_led_by_election(cls, shards: int, info: ValidationInfo) -> int:
        election = info.data.get("leader_election")
        if shards > 1 and election is not None and not election.enabled:
            raise ValueError("an operator without leader election does all the work: set leaderElection.enabled: true")
        return shards

    @field_validator("export_to")
    @classmethod
    def _are_namespaces(cls, export_to: tuple[str, ...]) -> tuple[str, ...]:
        for each in export_to:
            if each not in (".", "*") and re.fullmatch(DNS_LABEL, each) is None:
                raise ValueError(f"{each!r} must be a namespace, `.` for the route's own, or `*` for all")
        return export_to

    @field_validator("prometheus")
    @classmethod
    def _is_one_at_least_and_of_distinct_names(
        cls, sources: tuple[PrometheusSource, ...]
    ) -> tuple[PrometheusSource, ...]:
        names = [source.name for source in sources]
        if not names:
            raise ValueError("name at least one Prometheus")
        if len(set(names)) != len(names):
            raise ValueError(f"the names {', '.join(names)} must differ")
        return sources

    def gateway_namespaces(self) -> tuple[str, ...]:
        """Name where Gateways are looked for: where we watch, and where one is granted; none named is everywhere."""
        if not self.watch_namespaces:
            return ()
        granted = (each.partition("/")[0] for tenant in self.tenants for each in tenant.gateways if each != "*")
        return tuple(dict.fromkeys((*self.watch_namespaces, *granted)))

    def tenancy(self) -> Tenancy:
        """Give the rules of who may use what."""
        grants = tuple(
            Grant(each.namespace, each.hosts, each.gateways, each.sources, each.artifact_hosts, each.registered_models)
            for each in self.tenants
        )
        return Tenancy(grants, self.mesh_gateway, self.cluster_domain)

    def fetching(self, namespace: str) -> Fetching:
        """Say how a namespace's models are fetched."""
        hosts = self.tenancy().artifact_hosts(namespace)
        endpoints = {str(scheme): url for scheme, url in self.artifacts.endpoints.items()}
        return Fetching(self.artifacts.image, endpoints, hosts, self.model_cache.volume(namespace))

    def providers(self) -> TrafficProviders:
        """Give the routing APIs that traffic may be split by."""
        istio = Istio(self.mesh_gateway, MeshConfig(self.cluster_domain, self.export_to))
        return TrafficProviders((istio, GatewayApi(self.cluster_domain)))


def load_config(
    file: Path | None = None, *, environ: Mapping[str, str] | None = None, flags: Mapping[str, object] | None = None
) -> Config:
    """Read the configuration; flags carry the file's own field names, those that are None do not count."""
    environ = environ or {}
    named = file or (Path(environ["SERINUS_CONFIG"]) if environ.get("SERINUS_CONFIG") else None)
    fields = _read(named) if named else {}
    fields |= {field: environ[name] for name, field in ENVIRONMENT.items() if environ.get(name)}
    fields |= {field: value for field, value in (flags or {}).items() if value is not None}
    origin = str(named) if named else "environment and flags"
    try:
        config = Config.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(origin, tuple(_sentence(dict(each)) for each in error.errors())) from None
    mistakes = (*_unknown_sources(config), *_unmarked_models(config))
    if mistakes:
        raise ConfigError(origin, mistakes)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(str(file), (f"the file cannot be read: {error.strerror}",)) from None
    except yaml.YAMLError as error:
        raise ConfigError(str(file), (f"the file is not valid YAML: {_where(error)}",)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(str(file), ("the file must hold fields, such as `workers: 8`",))
    return content


def _where(error: yaml.YAMLError) -> str:
    """Say what is wrong and where; the library would quote the line, which may hold a secret."""
    mark = getattr(error, "problem_mark", None)
    place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{getattr(error, 'problem', None) or type(error).__name__}{place}"


def _unknown_sources(config: Config) -> list[str]:
    """Find tenants that are granted a source that nobody has named."""
    names = [source.name for source in config.prometheus]
    choice = ", ".join((*names, "*"))
    return [
        f"tenants[{index}].sources: {source!r} is not a Prometheus of this configuration: use one of {choice}"
        for index, tenant in enumerate(config.tenants)
        for source in tenant.sources
        if source not in names and source != "*"
    ]


def _unmarked_models(config: Config) -> list[str]:
    """Find a registry that is to be told of nobody's rollouts."""
    if not config.artifacts.mlflow.write_back or any(tenant.registered_models for tenant in config.tenants):
        return []
    return [
        "artifacts.mlflow.writeBack: true: no namespace may have a model marked: name some in "
        "tenants[].registeredModels, or leave it out"
    ]


_FIXES: Final = {
    "extra_forbidden": "no such field: check the spelling, or leave it out",
    "missing": "must be given",
    "string_pattern_mismatch": "use lower-case letters, digits and hyphens",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "int_type": "write a whole number",
    "float_parsing": "write a number",
    "float_type": "write a number",
    "bool_parsing": "write true or false",
    "bool_type": "write true or false",
    "tuple_type": "write a list",
    "string_type": "write a text",
    "string_too_short": "must not be empty",
    "too_short": "name at least one",
}


def _sentence(error: Mapping[str, Any]) -> str:
    """Say a mistake as field, value and fix."""
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"]).lstrip(".")
    template = _FIXES.get(error["type"])
    own = str(error["msg"]).removeprefix("Value error, ")
    fix = own if template is None else template.format(**(error.get("ctx") or {}))
    value = "" if error["type"] == "missing" else _shown(error["loc"], error["input"])
    return f"{field}: {value}{fix}"


def _shown(place: tuple[str | int, ...], value: Any) -> str:
    """Quote a value that cannot be secret."""
    if place[0] == "artifacts" and (isinstance(value, dict) or place[1:2] == ("mlflow",)):
        return ""
    if place[:2] == ("artifacts", "endpoints"):
        value = without_secrets(str(value))
    if place[0] == "prometheus" and value:
        if len(place) < 3 or place[2] not in SPOKEN:
            return ""
        value = without_secrets(str(value)) if place[2] == "url" else value
    return f"{value!r}: "
