"""A ModelDeployment in the making: what it says so far, and what a reader has to be told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serinus.cli.convert.manifests import Manifests
from serinus.cli.convert.original import Original, Place, pattern_of, written_place
from serinus.core.model.kinds import Json

NOTHING_LIKE_IT = "nothing in a ModelDeployment corresponds to it"
COMMON = {"metadata.annotations": "annotations are not carried over: copy those that are yours"}


class RemarkKind(StrEnum):
    """What a line is about."""

    PLACEHOLDER = "placeholder"
    """A field of the ModelDeployment that the original does not tell: put the real value there."""
    NO_EQUAL = "no equal"
    """A field of the original that was left out."""
    NOTE = "note"
    """A field that was carried over, and means something else here."""


@dataclass(frozen=True)
class Remark:
    """One line for the reader."""

    kind: RemarkKind
    field: str
    text: str

    def __str__(self) -> str:
        """Write it on one line, whatever a manifest had in it: it becomes a comment in YAML."""
        line = " ".join(f"{self.kind}: {self.field}: {self.text}".split())
        return "".join(each if each.isprintable() else "?" for each in line)


@dataclass
class Draft:
    """A spec, field by field."""

    original: Original
    beside: Manifests
    spec: Json = field(default_factory=dict)
    remarks: list[Remark] = field(default_factory=list)
    used: list[Original] = field(default_factory=list)
    """Other manifests of the file that tell something."""

    def find(self, name: str, *kinds: str) -> Original | None:
        """Look for another manifest of the file, and use it."""
        found = self.beside.find(name, *kinds)
        if found is not None:
            found.take("apiVersion"), found.take("kind"), found.take("metadata"), found.take("status")
            self.used.append(found)
        return found

    def lost(self, place: Place, why: str, *, of: Original | None = None) -> None:
        """Say that a field of the original is left out."""
        source = of or self.original
        source.take(*place)
        where = written_place(place) if source is self.original else f"{source.title}: {written_place(place)}"
        self.remarks.append(Remark(RemarkKind.NO_EQUAL, where, why))

    def placeholder(self, name: str, why: str) -> None:
        """Say that a field of the ModelDeployment is made up."""
        self.remarks.append(Remark(RemarkKind.PLACEHOLDER, name, why))

    def note(self, name: str, what: str) -> None:
        """Say how a field differs from what it was."""
        self.remarks.append(Remark(RemarkKind.NOTE, name, what))

    def lose_the_rest(self, reasons: Mapping[str, str]) -> None:
        """Say of every field that nobody has read why it is left out; `reasons` are by its place."""
        for source in (self.original, *self.used):
            for place in list(source.left()):
                self._lose(place, {**COMMON, **reasons}, source)

    def _lose(self, place: Place, reasons: Mapping[str, str], source: Original) -> None:
        """Say it of the field, or of each field within it where they have reasons of their own."""
        pattern = pattern_of(place)
        if pattern not in reasons and any(each.startswith(f"{pattern}.") for each in reasons):
            for key in source.keys(*place):
                self._lose((*place, key), reasons, source)
            return
        around = (pattern_of(place[:depth]) for depth in range(len(place), 0, -1))
        why = next((reasons[each] for each in around if each in reasons), NOTHING_LIKE_IT)
        self.lost(place, why, of=source)
