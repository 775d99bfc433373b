"""The manifests of a file, and which of them were used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from serinus.cli.convert.original import Original
from serinus.core.model.kinds import Json


class Manifests:
    """All documents of a file, those of a List one by one."""

    def __init__(self, contents: Sequence[Json]) -> None:
        self._contents = contents
        self._used: set[int] = set()

    def __iter__(self) -> Iterator[Original]:
        return (Original(content) for content in self._contents)

    def find(self, name: str, *kinds: str) -> Original | None:
        """Look for one by its name and kind."""
        for content in self._contents:
            one = Original(content)
            if one.name == name and one.kind in kinds:
                self._used.add(id(content))
                return one
        return None

    def unused(self) -> list[Original]:
        """List those that nobody asked for."""
        return [Original(content) for content in self._contents if id(content) not in self._used]
