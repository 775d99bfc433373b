"""What another tool's manifest says, read field by field; what nobody has read has no equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json

Place = tuple[str | int, ...]
"""Where a field is: the keys and indices on the way to it."""


class Original:
    """One manifest, and which of its fields have been read."""

    def __init__(self, content: Json) -> None:
        self.content = content
        self._read: set[Place] = set()

    @property
    def kind(self) -> str:
        return str(self.content.get("kind") or "")

    @property
    def api_version(self) -> str:
        return str(self.content.get("apiVersion") or "")

    @property
    def group(self) -> str:
        """The API group; empty for Kubernetes' own first one."""
        group, slash, _ = self.api_version.rpartition("/")
        return group if slash else ""

    @property
    def name(self) -> str:
        metadata = self.content.get("metadata")
        return str((metadata.get("name") if isinstance(metadata, dict) else None) or "")

    @property
    def title(self) -> str:
        """Kind and name, as messages say them."""
        return f"{self.kind} {self.name}".strip()

    def look(self, *place: str | int) -> Any:
        """Give the value of a field, or None where there is none; it does not count as read."""
        node: Any = self.content
        for depth, key in enumerate(place):
            if node is None:
                return None
            if isinstance(key, int) and isinstance(node, list):
                node = node[key]
            elif isinstance(key, str) and isinstance(node, dict):
                node = node.get(key)
            else:
                raise self.misshapen(place[:depth], "a list" if isinstance(key, int) else "a mapping")
        return node

    def take(self, *place: str | int) -> Any:
        """Give the value of a field; all of it counts as read."""
        self._read.add(place)
        return self.look(*place)

    def text(self, *place: str | int) -> str | None:
        """Read a field as text; a number is text, too."""
        value = self.take(*place)
        if value is None:
            return None
        if isinstance(value, bool | dict | list):
            raise self.misshapen(place, "text")
        return str(value)

    def whole(self, *place: str | int) -> int | None:
        """Read a whole number."""
        text = self.text(*place)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError as error:
            raise self.misshapen(place, "a whole number") from error

    def items(self, *place: str | int) -> range:
        """Give the indices of a list; none of it counts as read."""
        value = self.look(*place)
        if value is not None and not isinstance(value, list):
            raise self.misshapen(place, "a list")
        return range(len(value or ()))

    def keys(self, *place: str | int) -> list[str]:
        """Give the keys of a mapping; none of it counts as read."""
        value = self.look(*place)
        if value is not None and not isinstance(value, dict):
            raise self.misshapen(place, "a mapping")
        return [key for key in value or () if isinstance(key, str)]

    def take_like(self, place: Place, written: object) -> None:
        """Count as read whatever of a field was written."""
        if isinstance(written, dict) and isinstance(self.look(*place), dict):
            for key, value in written.items():
                self.take_like((*place, key), value)
        else:
            self._read.add(place)

    def left(self, *place: str | int) -> Iterator[Place]:
        """List the fields that nobody has read, each as high up as it goes; empty ones say nothing."""
        node = self.look(*place)
        if place in self._read or node is None or node in ({}, []):
            return
        if not any(read[: len(place)] == place for read in self._read):
            yield place
        elif isinstance(node, dict):
            for key in node:
                yield from self.left(*place, key)
        elif isinstance(node, list):
            for index in range(len(node)):
                yield from self.left(*place, index)

    def misshapen(self, place: Place, needed: str) -> Refused:
        """Make the error of a field that is not what its tool takes."""
        return Refused(f"{self.title}: {written_place(place) or 'the document'} is not {needed}")


def written_place(place: Place) -> str:
    """Write a place as kubectl does: spec.steps[2].setWeight."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def pattern_of(place: Place) -> str:
    """Write a place without its indices: spec.steps[].setWeight."""
    return "".join("[]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
