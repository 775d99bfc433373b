"""The base of every API model: camelCase on the wire, frozen in memory, lenient when read back from a server."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class ApiModel(BaseModel):
    """A value of the API. Unknown fields are ignored here and refused by the API server's strict validation.

    The docstring under a field is its description in the CRD.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        use_attribute_docstrings=True,
    )

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Read what the API server stores; raises pydantic.ValidationError."""
        return cls.model_validate(raw)

    def manifest(self) -> dict[str, Any]:
        """Write the JSON form: camelCase, absent fields left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
