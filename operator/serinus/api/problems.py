"""What is wrong with a manifest, in sentences that name the field; pydantic's errors stay in this package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pydantic import ValidationError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


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
        found = error.errors(include_url=False, include_context=False)
        return cls([_problem(within, item) for item in found if not _follows(item, found)])


def _problem(within: str, item: ErrorDetails) -> Problem:
    text = f"{item['msg'][:1].lower()}{item['msg'][1:]}"
    if item["type"] == "string_type" and isinstance(item["input"], int | float):
        text = f"should be a string: write {json.dumps(item['input'])} in quotes"
    return Problem(_path([within, *item["loc"]]), text)


def _follows(item: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Whether a list is called too short only because an item of it is wrong, which is said already."""
    place = item["loc"]
    inside = (each["loc"] for each in found if len(each["loc"]) > len(place))
    return item["type"] == "too_short" and any(loc[: len(place)] == place for loc in inside)


def _path(location: Sequence[int | str]) -> str:
    """Write a location as kubectl does: spec.strategy.canary.steps[2].setWeight."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.lstrip(".")
