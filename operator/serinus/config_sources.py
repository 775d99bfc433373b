"""A Prometheus in the operator's configuration: its address, who may see what it knows, and whose requests count.

What is secret lies in files; a secret that stands in the configuration by mistake is refused and never repeated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator
from pydantic.alias_generators import to_camel

from serinus.config_places import UserName
from serinus.core.analysis.scope import MATCHER, USUAL_GATEWAYS, WORKLOAD, Scope
from serinus.core.model.source import BasicAuth, Source, TlsFiles

DNS_LABEL: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SPOKEN: Final = {"name", "url", "targets", "matchers", "gateways", "mesh", "enforcedLabel"}
"""The fields of a source whose value a message may quote: in any other a secret may stand by mistake."""


class Strict(BaseModel):
    """Fields in camel case, and none that we do not know."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid", hide_input_in_errors=True
    )


def _absolute(file: Path) -> Path:
    """Refuse what is no path: it is most likely the secret itself."""
    if not file.is_absolute():
        raise ValueError("write the absolute path of a file; the secret itself never stands in the configuration")
    return file


File = Annotated[Path, AfterValidator(_absolute)]


class BasicAuthFiles(Strict):
    """A user name, and the file with the password."""

    username: UserName
    password_file: File


class TlsConfig(Strict):
    """A CA bundle for servers with a private CA, and a client certificate for servers that require one."""

    ca_file: File | None = None
    cert_file: File | None = None
    key_file: File | None = None

    @model_validator(mode="after")
    def _is_a_pair(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("certFile and keyFile belong together: give both, or neither")
        return self


class PrometheusSource(Strict):
    """A Prometheus that rollouts may use.

    `targets` is the selector whose fresh samples prove that scraping works; empty asks for the gateways. `matchers` are
    label matchers of every preset's query, `gateways` the workloads whose requests count (`mesh`: everybody's).
    Whatever is secret lies in a file, and is sent over https alone unless `allow_insecure_auth` says otherwise.
    """

    name: Annotated[str, Field(pattern=DNS_LABEL)]
    url: str
    targets: str = ""
    matchers: tuple[str, ...] = ()
    gateways: Annotated[tuple[str, ...], Field(min_length=1)] = USUAL_GATEWAYS
    mesh: bool = False
    bearer_token_file: File | None = None
    basic_auth: BasicAuthFiles | None = None
    headers: dict[str, str] = {}
    header_files: dict[str, File] = {}
    tls_config: TlsConfig | None = None
    allow_insecure_auth: bool = False
    enforced_label: Annotated[str, Field(pattern=r"^([a-zA-Z_][a-zA-Z0-9_]*)?$")] = ""

    @field_validator("url")
    @classmethod
    def _is_an_address_alone(cls, url: str, info: ValidationInfo) -> str:
        named = f"source {info.data.get('name', '')!r}"
        if "@" in url:
            raise ValueError(
                f"{named} has a user or password in its URL: use basicAuth (username, passwordFile) or bearerTokenFile"
            )
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or re.search(r"\s", url):
            raise ValueError("write it as http://host:port or https://host")
        if "?" in url or "#" in url:
            raise ValueError(
                f"{named} has a query string in its URL: leave it out; tokens belong in bearerTokenFile or headerFiles"
            )
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

    @field_validator("headers")
    @classmethod
    def _carry_no_secret(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if _SECRET_NAME.search(name):
                raise ValueError(f"{name} carries a secret: put it into a file and name the file in headerFiles")
            if not value.isprintable() or not value.isascii():
                raise ValueError(f"the value of {name} must be one line of ASCII")
        return headers

    @model_validator(mode="after")
    def _sends_secrets_safely(self) -> Self:
        mistake = next(self._mistakes(), None)
        if mistake is not None:
            raise ValueError(f"source {self.name!r} {mistake}")
        return self

    def _mistakes(self) -> Iterator[str]:
        names = [name.lower() for name in (*self.headers, *self.header_files)]
        unusable = [name for name in names if not _HEADER_NAME.fullmatch(name) or name in _OURS]
        if unusable:
            yield f"cannot set the header {unusable[0]}: leave it out"
        if len(set(names)) != len(names):
            yield "sets a header twice: name each once in headers or headerFiles"
        credentials = [
            *(["bearerTokenFile"] if self.bearer_token_file else []),
            *(["basicAuth"] if self.basic_auth else []),
            *(f"headerFiles.{name}" for name in self.header_files if name.lower() == "authorization"),
        ]
        if len(credentials) > 1:
            yield f"has {' and '.join(credentials)}: use one of them"
        if self.url.lower().startswith("https:"):
            return
        secrets = [*credentials, *(f"headerFiles.{name}" for name in self.header_files)]
        if secrets and not self.allow_insecure_auth:
            yield f"would send {secrets[0]} over plain http: write url as https://…, or set allowInsecureAuth: true"
        if self.tls_config is not None:
            yield "has tlsConfig but no TLS: write url as https://…"

    def source(self) -> Source:
        """Give the value that the adapters ask by."""
        tls, basic = self.tls_config or TlsConfig(), self.basic_auth
        return Source(
            self.name,
            self.url,
            self.bearer_token_file,
            BasicAuth(basic.username, basic.password_file) if basic else None,
            self.headers,
            self.header_files,
            TlsFiles(tls.ca_file, tls.cert_file, tls.key_file),
            self.enforced_label,
        )


_SECRET_NAME: Final = re.compile(r"auth|token|secret|passw|cookie|credential|key", re.IGNORECASE)
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_OURS: Final = {"host", "content-length", "content-type", "connection", "transfer-encoding", "accept-encoding", "te"}
