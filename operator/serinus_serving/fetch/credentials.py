"""Credentials come from the environment, under the names that the clouds' own tools read, and are never shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlsplit

_SECRET = re.compile(
    r"(SECRET|PASS|TOKEN|KEY|SAS|AUTHORIZATION|AUTH_CONFIG|DOCKERCONFIG|CREDENTIAL|CONNECTION_STRING)", re.IGNORECASE
)
"""What the names of secret variables have in common."""
_WITHIN = re.compile(
    r"(?:key|sig|signature|secret|password|auth|token|bearer|basic)\"?[\s:=]+\"?([^\s;&\"]+)", re.IGNORECASE
)
"""The secret of a value that holds more: a header, a connection string, a signature, JSON."""
_NOT_SECRET = re.compile(r"(_FILE|_PATH|_ID|_URI|_ENDPOINT)$")
_SHORTEST_SECRET = 6
"""Shorter values would blank out ordinary words of a message."""
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s'\"<>]*=[^\s'\"<>]*")
"""The query of an address: a signed URL keeps its signature there."""

_PRINTABLE = re.compile(r"[ -~\t\n\r]*\Z")


@dataclass(frozen=True)
class Credentials:
    """The variables of the process, read when it starts; `repr` shows none of them.

    Space around a value is taken away: a Secret that was made from a file ends in a new line, and no key does.
    """

    variables: Mapping[str, str] = field(repr=False)

    def __post_init__(self) -> None:
        """Clean all values once, for everybody who reads them."""
        object.__setattr__(self, "variables", {name: value.strip() for name, value in self.variables.items()})

    def get(self, *names: str) -> str | None:
        """Return the first of these variables that is set and not empty."""
        return next((self.variables[name] for name in names if self.variables.get(name)), None)

    def address(self, *names: str) -> str | None:
        """Return the first of these variables that is set, a server's address; raises ValueError."""
        name = next((name for name in names if self.variables.get(name)), None)
        return None if name is None else self.checked(self.variables[name], name)

    def checked(self, address: str, name: str) -> str:
        """Return an address that libraries can read, as `name` holds it; raises ValueError."""
        if not _is_address(address):
            raise ValueError(
                f"{name} is {self.hide(address)!r}, which is no server's address: write http://HOST:PORT or https://HOST"
            )
        return address

    def unusable(self) -> list[str]:
        """Name the secret variables that hold letters which no key and no header can have."""
        named = (name for name in self.variables if _SECRET.search(name) and not _NOT_SECRET.search(name))
        return sorted(name for name in named if not _PRINTABLE.match(self.variables[name]))

    def starting_with(self, *prefixes: str) -> dict[str, str]:
        """Return all variables of some tools, by prefix, those that are empty left out."""
        return {name: value for name, value in self.variables.items() if value and name.startswith(prefixes)}

    def hide(self, text: str) -> str:
        """Take secrets out of a text: values of secret variables, user information and queries in addresses."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return _QUERY.sub("?***", _USER_INFO.sub("***@", text))

    def _secrets(self) -> Iterator[str]:
        named = {v for n, v in self.variables.items() if _SECRET.search(n) and not _NOT_SECRET.search(n)}
        found = named | {part for value in named for part in _WITHIN.findall(value)}
        forms = {form for value in found if len(value) >= _SHORTEST_SECRET for form in _forms(value)}
        yield from sorted(forms, key=len, reverse=True)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        return known and text.split() == [text]
    except ValueError:  # a port that is no number, half an IPv6 address
        return False


def _forms(value: str) -> Iterator[str]:
    """Write a secret as libraries do when they complain about it: plain, escaped, quoted."""
    yield value
    yield repr(value)[1:-1]
    yield ascii(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield quote(value, safe="")
    yield quote_plus(value)
