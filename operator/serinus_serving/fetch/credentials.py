"""Credentials come from the environment, under the names that the clouds' own tools read, and are never shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SECRET = re.compile(r"(SECRET|PASSWORD|TOKEN|KEY|SAS|AUTHORIZATION|CREDENTIAL|CONNECTION_STRING)", re.IGNORECASE)
"""What the names of secret variables have in common."""
_NOT_SECRET = re.compile(r"(_FILE|_PATH|_ID|_URI|_ENDPOINT)$")
_SHORTEST_SECRET = 6
"""Shorter values would blank out ordinary words of a message."""
_USER_INFO = re.compile(r"(?<=://)[^/\s@]+@")
_QUERY = re.compile(r"(?<=[^\s?])\?[^\s'\"<>]*=[^\s'\"<>]*")
"""The query of an address: a signed URL keeps its signature there."""


@dataclass(frozen=True)
class Credentials:
    """The variables of the process, read when it starts; `repr` shows none of them."""

    variables: Mapping[str, str] = field(repr=False)

    def get(self, *names: str) -> str | None:
        """Return the first of these variables that is set and not empty."""
        return next((self.variables[name] for name in names if self.variables.get(name)), None)

    def starting_with(self, *prefixes: str) -> dict[str, str]:
        """Return all variables of some tools, by prefix, those that are empty left out."""
        return {name: value for name, value in self.variables.items() if value and name.startswith(prefixes)}

    def hide(self, text: str) -> str:
        """Take secrets out of a text: values of secret variables, user information and queries in addresses."""
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return _QUERY.sub("?***", _USER_INFO.sub("***@", text))

    def _secrets(self) -> Iterator[str]:
        named = (v for n, v in self.variables.items() if _SECRET.search(n) and not _NOT_SECRET.search(n))
        yield from sorted({value for value in named if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True)
