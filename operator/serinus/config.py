"""The operator's own configuration: a file, over it the environment, over it the flags.

Every mistake is told at once, each with its field, its value and what to write instead; a field that we do not know is
a mistake, because a misspelt limit that is ignored in silence is worse than an operator that does not start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from serinus.core.analysis.scope import MATCHER, USUAL_GATEWAYS, WORKLOAD, Scope
from serinus.core.model.errors import SerinusError
from serinus.core.model.tenancy import Grant, Tenancy

ENVIRONMENT: Final = {
    "SERINUS_WORKERS": "workers",
    "SERINUS_DRAIN_SECONDS": "drainSeconds",
    "SERINUS_METRICS_ADDRESS": "metricsAddress",
    "SERINUS_METRICS_PORT": "metricsPort",
}
"""Variables that set a field; SERINUS_CONFIG is the file, and lists are left to it."""
DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class ConfigError(SerinusError):
    """The configuration cannot be used; `mistakes` holds a sentence each."""

    def __init__(self, origin: str, mistakes: tuple[str, ...]) -> None:
        super().__init__(
            "\n".join((f"the configuration ({origin}) cannot be used:", *(f"- {each}" for each in mistakes)))
        )
        self.mistakes = mistakes


class _Strict(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class PrometheusSource(_Strict):
    """A Prometheus that may be asked.

    `targets` is the selector whose fresh samples prove that scraping works; empty asks for the gateways. `matchers` are
    label matchers of every preset's query, `gateways` the workloads whose requests count (`mesh`: everybody's).
    """

    name: Annotated[str, Field(pattern=DNS_LABEL)]
    url: str
    targets: str = ""
    matchers: tuple[str, ...] = ()
    gateways: Annotated[tuple[str, ...], Field(min_length=1)] = USUAL_GATEWAYS
    mesh: bool = False
    bearer_token_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _has_scheme_and_host(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError("write it as http://host:port or https://host")
        return url.rstrip("/")

    @field_validator("matchers")
    @classmethod
    def _are_matchers(cls, matchers: tuple[str, ...]) -> tuple[str, ...]:
        for each in matchers:
            if not MATCHER.match(each):
                raise ValueError(f'{each!r} must be a label matcher such as cluster="prod"')
        return matchers

    @field_validator("gateways")
    @classmethod
    def _are_workloads(cls, gateways: tuple[str, ...]) -> tuple[str, ...]:
        for each in gateways:
            if not WORKLOAD.match(each):
                raise ValueError(f"{each!r} must be a workload or namespace/workload, with * for any text")
        return gateways

    def scope(self) -> Scope:
        """Say whose requests count."""
        return Scope(self.matchers, self.gateways, self.mesh, self.targets)


class Tenant(_Strict):
    """What a namespace, or `*` for all of them, may use."""

    namespace: Annotated[str, Field(min_length=1)]
    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @field_validator("gateways")
    @classmethod
    def _are_qualified(cls, gateways: tuple[str, ...]) -> tuple[str, ...]:
        for each in gateways:
            if each != "*" and each.count("/") != 1:
                raise ValueError(f"{each!r} must be namespace/name, namespace/* or *")
        return gateways


class LeaderElection(_Strict):
    """Who writes when two operators run. Without a namespace it is the operator's own."""

    enabled: bool = True
    namespace: str = ""
    lease_seconds: Annotated[int, Field(ge=5, le=300)] = 15


class Config(_Strict):
    """The whole configuration; the first Prometheus is the one that metrics without a source ask."""

    prometheus: tuple[PrometheusSource, ...] = (
        PrometheusSource(name="default", url="http://prometheus.monitoring:9090"),
    )
    tenants: tuple[Tenant, ...] = (Tenant(namespace="*", hosts=("*",), sources=("*",)),)
    mesh_gateway: bool = True
    drain_seconds: Annotated[float, Field(ge=0, le=600)] = 5
    workers: Annotated[int, Field(ge=1, le=64)] = 8
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 8080
    metrics_address: str = "0.0.0.0"  # noqa: S104 - probes and scrapes come from outside the pod
    leader_election: LeaderElection = LeaderElection()

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

    def tenancy(self) -> Tenancy:
        """Give the rules of who may use what."""
        grants = tuple(Grant(each.namespace, each.hosts, each.gateways, each.sources) for each in self.tenants)
        return Tenancy(grants, self.mesh_gateway)


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
    unknown = tuple(_unknown_sources(config))
    if unknown:
        raise ConfigError(origin, unknown)
    return config


def _read(file: Path) -> dict[str, Any]:
    try:
        content: Any = yaml.safe_load(file.read_text())
    except OSError as error:
        raise ConfigError(str(file), (f"the file cannot be read: {error.strerror}",)) from None
    except yaml.YAMLError as error:
        raise ConfigError(str(file), (f"the file is no YAML: {' '.join(str(error).split())}",)) from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(str(file), ("the file must hold fields, such as `workers: 8`",))
    return content


def _unknown_sources(config: Config) -> list[str]:
    """Find tenants that are granted a source that nobody has named."""
    names = [source.name for source in config.prometheus]
    choice = ", ".join((*names, "*"))
    return [
        f"tenants[{index}].sources: {source!r} is no Prometheus of this configuration: use one of {choice}"
        for index, tenant in enumerate(config.tenants)
        for source in tenant.sources
        if source not in names and source != "*"
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
    value = "" if error["type"] == "missing" else f"{error['input']!r}: "
    return f"{field}: {value}{fix}"
