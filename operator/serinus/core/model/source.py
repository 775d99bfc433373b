"""A Prometheus in the operator's configuration: its address, and what its requests carry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class BasicAuth:
    """A user name, and the file with the password."""

    username: str
    password_file: Path


@dataclass(frozen=True)
class TlsFiles:
    """The CA bundle to trust (by default the system's), and the client certificate."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True)
class Source:
    """Its name, as users write it, and its address; secrets lie in files, which may be replaced at any time.

    `enforced_label` is the label that holds users' own queries to their namespace; empty holds them to nothing.
    """

    name: str
    url: str
    bearer_token_file: Path | None = None
    basic_auth: BasicAuth | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, Path] = field(default_factory=dict)
    tls: TlsFiles = TlsFiles()
    enforced_label: str = ""

    @property
    def base(self) -> str:
        """Give the address that paths are added to."""
        return self.url.rstrip("/")

    @property
    def shown(self) -> str:
        """Give the address as it may stand in a message."""
        return without_secrets(self.base)

    def secret_files(self) -> Iterator[tuple[str, Path]]:
        """Name the files of secrets by their settings."""
        if self.bearer_token_file is not None:
            yield "bearerTokenFile", self.bearer_token_file
        if self.basic_auth is not None:
            yield "basicAuth.passwordFile", self.basic_auth.password_file
        for name, file in self.header_files.items():
            yield f"headerFiles.{name}", file

    def tls_files(self) -> tuple[Path, ...]:
        """List the files that make the TLS context."""
        return tuple(each for each in (self.tls.ca_file, self.tls.cert_file, self.tls.key_file) if each is not None)


def without_secrets(url: str) -> str:
    """Cut out of an address what may be secret: user, password, query string and fragment."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        scheme, rest = "", url
    return f"{scheme}{separator}{re.split(r'[?#]', re.sub(r'^.*@', '', rest, flags=re.DOTALL))[0]}"
