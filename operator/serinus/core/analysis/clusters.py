"""Series of several clusters or environments in one store: reported, and never added up unless configured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from serinus.core.analysis.exposition import Labels
from serinus.core.analysis.places import Place

NONE: Final = "(none)"
_MOST_ASKED: Final = 8


@dataclass(frozen=True)
class Several:
    """A label by which one revision's series fall apart, and its values."""

    label: str
    values: tuple[str, ...]

    @property
    def message(self) -> str:
        """Say what was found, and the matcher that chooses."""
        named = [value for value in self.values if value != NONE]
        return (
            f"its series have several values of the label {self.label}: {', '.join(self.values)}. They are not added "
            f"up: add the matcher {self.label}={_quoted(named[0])} to `matchers` of this metrics source "
            f"({self.label}=~{_quoted('|'.join(named))} if they are to be added up)"
        )


@dataclass
class Clusters:
    """When each value of each such label was seen at each place of one revision."""

    _seen: dict[str, dict[Place, dict[str, tuple[float, float]]]] = field(default_factory=dict)
    _places: dict[Place, tuple[float, float]] = field(default_factory=dict)
    _asked: dict[float, Several | None] = field(default_factory=dict)
    """What was found since a time: a look asks a dozen times for two or three."""
    _one: bool | None = None
    """Whether each label has one value, and every place has it; None until that is asked."""

    def see(self, marks: Labels, place: Place, first: float, last: float) -> None:
        """Take in a series by its labels of this kind, and the times of its first and last sample."""
        span = self._places.get(place)
        if span is None:
            self._one = None
        if span is None or first < span[0] or last > span[1]:
            self._places[place] = _joined(span, first, last)
            self._asked = {}
        for label, value in marks:
            values = self._seen.setdefault(label, {}).setdefault(place, {})
            span = values.get(value)
            if span is None:
                self._one = None
            if span is None or first < span[0] or last > span[1]:
                values[value] = _joined(span, first, last)
                self._asked = {}

    def several(self, since: float) -> Several | None:
        """Name the label that has several values at one time, after `since`; a value that follows another is one."""
        if self._one is None:
            self._one = all(self._is_one(places) for places in self._seen.values())
        if self._one:
            return None
        if since not in self._asked:
            if len(self._asked) >= _MOST_ASKED:
                self._asked = {}
            self._asked[since] = self._several(since)
        return self._asked[since]

    def _is_one(self, places: Mapping[Place, Mapping[str, object]]) -> bool:
        values = {value for there in places.values() for value in there}
        return len(values) == 1 and places.keys() == self._places.keys()

    def _several(self, since: float) -> Several | None:
        for label, places in sorted(self._seen.items()):
            spans: dict[str, tuple[float, float]] = {}
            for place, whole in self._places.items():
                for value, (first, last) in places.get(place, {NONE: whole}).items():
                    if last > since:
                        spans[value] = _joined(spans.get(value), first, last)
            found = sorted(value for value, span in spans.items() if _overlaps(span, value, spans))
            if found:
                return Several(label, tuple(found))
        return None

    def forget(self, limit: float) -> None:
        """Drop what has not been seen since."""
        self._asked, self._one = {}, None
        self._places = {place: span for place, span in self._places.items() if span[1] >= limit}
        for places in self._seen.values():
            for values in places.values():
                for value in [value for value, (_, last) in values.items() if last < limit]:
                    del values[value]
            for place in [place for place, values in places.items() if not values or place not in self._places]:
                del places[place]


def _joined(span: tuple[float, float] | None, first: float, last: float) -> tuple[float, float]:
    return (first, last) if span is None else (min(span[0], first), max(span[1], last))


def _overlaps(span: tuple[float, float], value: str, spans: Mapping[str, tuple[float, float]]) -> bool:
    return any(one != value and max(span[0], other[0]) <= min(span[1], other[1]) for one, other in spans.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
