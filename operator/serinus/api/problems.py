"""What is wrong with a manifest, in sentences that name the field; pydantic's errors stay in this package."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from pydantic import ValidationError


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
        return cls(
            [
                Problem(_path([within, *item["loc"]]), f"{item['msg'][:1].lower()}{item['msg'][1:]}")
                for item in error.errors(include_url=False, include_context=False)
            ]
        )


def _path(location: Sequence[int | str]) -> str:
    """Write a location as kubectl does: spec.strategy.canary.steps[2].setWeight."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return text.lstrip(".")
