"""What is wrong with a manifest, in sentences that name the field; pydantic's errors stay in this package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from pydantic import ValidationError

from serinus.api import constraints
from serinus.api.rules import SAID, Keywords

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


# A field is known by its name here: pydantic does not say of which kind it is.
DURATIONS = frozenset(
    {
        "autoPromotionAfter",
        "baseEjectionTime",
        "blindTimeout",
        "duration",
        "interval",
        "lag",
        "maxAge",
        "maxDuration",
        "maxHold",
        "minDuration",
        "minDwell",
        "window",
    }
)
COMPARED = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal", "enum", "literal_error"})
"""Pydantic says of these what they must be, and not what they are."""


@dataclass(frozen=True)
class Problem:
    """One field and what is wrong with it."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class ApiError(ValueError):
    """A manifest that cannot be parsed. `field` is that of the first problem, `message` has all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        first, *rest = self.problems
        self.field = first.field
        self.message = "; ".join([first.message, *(str(problem) for problem in rest)])
        super().__init__(f"{self.field}: {self.message}")

    @classmethod
    def of(cls, error: ValidationError, *, within: str) -> Self:
        """Translate pydantic's list of errors about a section of the manifest."""
        found = error.errors(include_url=False)
        return cls([_problem(within, item) for item in found if not _follows(item, found)])


def _problem(within: str, item: ErrorDetails) -> Problem:
    return Problem(_path([within, *item["loc"]]), _text(item))


def _text(item: ErrorDetails) -> str:
    """Say what is wrong in the field's words; pydantic's own are the last resort."""
    kind, given = item["type"], item["input"]
    if kind == "string_type" and isinstance(given, int | float):
        return _unquoted(item["loc"][-1], given)
    if kind == "string_pattern_mismatch":
        return _misspelt(item)
    if kind == "too_short":
        return "must not be empty"
    text = item["msg"].removeprefix("Value error, ")
    text = f"{text[:1].lower()}{text[1:]}"
    return f"{text}, not {json.dumps(given, default=str)}" if kind in COMPARED else text


def _unquoted(field: int | str, given: float) -> str:
    if field in DURATIONS and not isinstance(given, bool) and given >= 0:
        return f"{given} has no unit: write {given}s"
    return f"should be a string: write {json.dumps(given)} in quotes"


def _misspelt(item: ErrorDetails) -> str:
    """Say the value and, where a field says how it is written, the fix; a regular expression is the last resort."""
    pattern = str(item.get("ctx", {}).get("pattern", ""))
    fix = _fixes().get(pattern)
    return f"{json.dumps(item['input'])} is not valid: {fix or f'it must match {pattern}'}"


@cache
def _fixes() -> dict[str, str]:
    """Collect what the fields say about their patterns, as admission does."""
    found = {}
    for annotated in vars(constraints).values():
        parts: tuple[Any, ...] = getattr(annotated, "__metadata__", ())
        patterns = [each.pattern for one in parts for each in getattr(one, "metadata", ()) if hasattr(each, "pattern")]
        fixes = [one.keywords[SAID]["fix"] for one in parts if isinstance(one, Keywords) and SAID in one.keywords]
        found.update({pattern: fixes[0] for pattern in patterns if fixes})
    return found


def _follows(item: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short only because an item of it is wrong, which is said already."""
    place = item["loc"]
    inside = (each["loc"] for each in found if len(each["loc"]) > len(place))
    return item["type"] == "too_short" and any(loc[: len(place)] == place for loc in inside)


def _path(location: Sequence[int | str]) -> str:
    """Write a location as kubectl does: spec.strategy.canary.steps[2].setWeight."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.lstrip(".")
