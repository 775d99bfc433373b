"""Schema keywords that pydantic does not know: CEL rules, list types, live defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ConfigDict, GetJsonSchemaHandler
from pydantic_core import CoreSchema

VALIDATIONS = "x-kubernetes-validations"
SAID = "x-serinus-said"
"""Internal: this pattern becomes a CEL rule, whose message says the value and the fix; a pattern's shows a regex."""
LIVE = "x-serinus-live"
"""Internal: this default goes into the schema. Only for fields that no Rollout freezes."""

Rule = dict[str, str]


@dataclass(frozen=True, eq=False)
class Keywords:
    """JSON schema keywords for a type or a field."""

    keywords: Mapping[str, Any] = field(default_factory=dict)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), **self.keywords}


def said(fix: str, *, also: str = "", breaks: bool = False) -> Keywords:
    """Say `fix` when the pattern, or the CEL condition `also`, does not hold, or `breaks`: it may raise an error."""
    return Keywords({SAID: {"fix": fix, "also": also, "breaks": breaks}})


def rule(cel: str, message: str, *, path: str = "") -> Rule:
    """Make a rule with a fixed message."""
    return {"rule": cel, "message": message, **({"fieldPath": path} if path else {})}


def spoken(cel: str, expression: str, *, path: str = "") -> Rule:
    """Make a rule whose message is a CEL expression, so that it can say the value."""
    return {"rule": cel, "messageExpression": expression, **({"fieldPath": path} if path else {})}


def ruled(*rules: Rule) -> ConfigDict:
    """Configure a model with rules."""
    return ConfigDict(json_schema_extra={VALIDATIONS: [dict(each) for each in rules]})


FROZEN_MESSAGE: Final = "is frozen when the Rollout starts: only paused, abort, promote and retry may change"
FROZEN = Keywords({VALIDATIONS: [rule("self == oldSelf", FROZEN_MESSAGE)]})
MAP_BY_NAME = Keywords({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})
SET = Keywords({"x-kubernetes-list-type": "set"})
ATOMIC = Keywords({"x-kubernetes-list-type": "atomic"})
LIVE_DEFAULT = Keywords({LIVE: True})
