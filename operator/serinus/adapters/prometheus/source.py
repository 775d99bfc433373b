"""Headers and TLS settings for a source, read from their files again whenever one of those changes.

Projected tokens and certificates are replaced on disk while we run. A secret is only ever sent: `scrub` removes it from
anything that a server, a proxy or a library reports.
"""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from serinus.core.model.errors import Unavailable
from serinus.core.model.source import Source, without_secrets

HIDDEN: Final = "***"
Stamp: TypeAlias = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Pass:
    """Headers and TLS for a request, and what of it must not be told."""

    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    secrets: tuple[str, ...] = ()

    def scrub(self, text: str) -> str:
        """Take the secrets out of a text."""
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        return text


class Access:
    """Keeps the newest pass of one source; `read` blocks on files."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._secret_files = dict(source.secret_files())
        self._kept: tuple[Stamp, Pass] | None = None
        self.has_files = bool(self._secret_files or source.tls_files())

    def read(self) -> Pass:
        """Give what to ask with; while files are being replaced it is what they held before. Raises Unavailable."""
        try:
            stamp = tuple(self._stamps())
            if self._kept is None or self._kept[0] != stamp:
                self._kept = stamp, self._made()
        except Unavailable:
            if self._kept is None:
                raise
        return self._kept[1]

    def _stamps(self) -> Iterator[tuple[int, int, int]]:
        for file in (*self._secret_files.values(), *self._source.tls_files()):
            try:
                found = file.stat()
            except OSError as error:
                raise Unavailable(f"source {self._source.name!r}: {file} cannot be read: {error.strerror}") from None
            yield found.st_mtime_ns, found.st_size, found.st_ino

    def _made(self) -> Pass:
        secrets = {name: self._secret(name, file) for name, file in self._secret_files.items()}
        headers = {
            **self._source.headers,
            **{name: secrets[f"headerFiles.{name}"] for name in self._source.header_files},
        }
        hidden = [*secrets.values()]
        if self._source.bearer_token_file is not None:
            headers["Authorization"] = f"Bearer {secrets['bearerTokenFile']}"
        if self._source.basic_auth is not None:
            pair = f"{self._source.basic_auth.username}:{secrets['basicAuth.passwordFile']}"
            coded = b64encode(pair.encode()).decode()
            headers["Authorization"] = f"Basic {coded}"
            hidden.append(coded)
        return Pass(headers, self._tls(), tuple(sorted(hidden, key=len, reverse=True)))

    def _secret(self, setting: str, file: Path) -> str:
        """Read one line; what no header can hold is refused here, since libraries quote it when they refuse it."""
        place = f"source {self._source.name!r}: {setting} ({file})"
        try:
            text = file.read_text().strip()
        except OSError as error:
            raise Unavailable(f"{place} cannot be read: {error.strerror}") from None
        except ValueError:
            raise Unavailable(f"{place} is not text") from None
        if not text or not text.isprintable():
            raise Unavailable(f"{place} must hold one line of text")
        if not text.isascii() and setting != "basicAuth.passwordFile":
            raise Unavailable(f"{place} must hold ASCII alone")
        return text

    def _tls(self) -> ssl.SSLContext | None:
        files = self._source.tls
        if not self._source.tls_files():
            return None
        try:
            context = ssl.create_default_context(cafile=files.ca_file)
            if files.cert_file is not None:
                # An empty password, because without one an encrypted key is asked about on the terminal.
                context.load_cert_chain(files.cert_file, files.key_file, password="")
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise Unavailable(f"source {self._source.name!r}: the files of tlsConfig cannot be used: {why}") from None
        return context


def redirected(status: int, location: str) -> str:
    """Say that a redirect is not followed: it might lead a token over plain http or to another host."""
    return f"HTTP {status}: it redirects to {without_secrets(location)}: write the right address as the source's url"
