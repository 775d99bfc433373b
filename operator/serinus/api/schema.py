"""From pydantic's JSON schema to a CRD's structural schema: no references, no unions, CEL for rules with a message.

Anything that a structural schema cannot express raises; the generator never drops a constraint silently.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from serinus.api.base import ApiModel
from serinus.api.rules import LIVE, SAID, VALIDATIONS, spoken

Schema: TypeAlias = dict[str, Any]

_KEPT = (
    "description",
    "type",
    "format",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "required",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
)
_READ = {*_KEPT, VALIDATIONS, "title", "default", "properties", "items", "additionalProperties", "$defs", SAID, LIVE}


class NotStructural(ValueError):
    """A pydantic keyword that a CRD cannot express."""


def structural(model: type[ApiModel]) -> Schema:
    """Generate the structural schema of a model."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, schema.get("$defs", {}), model.__name__)


def _convert(raw: Schema, definitions: dict[str, Schema], path: str) -> Schema:
    """Convert one node and all below it; `path` is for messages."""
    node = _flat(raw, definitions)
    if unknown := set(node) - _READ:
        raise NotStructural(f"{path}: {', '.join(sorted(unknown))} cannot stand in a CRD")
    schema: Schema = {key: _text(node[key]) if key == "description" else node[key] for key in _KEPT if key in node}
    if node.get(LIVE) and "default" in node:
        schema["default"] = node["default"]
    if properties := node.get("properties"):
        schema["properties"] = {
            name: _convert(each, definitions, f"{path}.{name}") for name, each in properties.items()
        }
    if "items" in node:
        schema["items"] = _convert(node["items"], definitions, f"{path}[]")
    if isinstance(values := node.get("additionalProperties"), dict):
        schema["additionalProperties"] = _convert(values, definitions, f"{path}{{}}")
    if said := node.get(SAID):
        rules = [_spoken(schema.pop("pattern"), **said)]
        schema[VALIDATIONS] = [*rules, *node.get(VALIDATIONS, [])]
    elif VALIDATIONS in node:
        schema[VALIDATIONS] = node[VALIDATIONS]
    return schema


def _flat(raw: Schema, definitions: dict[str, Schema]) -> Schema:
    """Resolve a reference and drop the null of an optional field; what stands nearer to the field wins."""
    node = dict(raw)
    if "anyOf" in node:
        present = [each for each in node.pop("anyOf") if each != {"type": "null"}]
        if len(present) != 1:
            raise NotStructural(f"a union of {len(present)} types cannot stand in a CRD")
        node = _merged(_flat(present[0], definitions), node)
    if "$ref" in node:
        target = definitions[node.pop("$ref").rsplit("/", 1)[1]]
        node = _merged(_flat(target, definitions), node)
    return node


def _merged(far: Schema, near: Schema) -> Schema:
    """Lay a field's own keywords over its type's; rules of both hold."""
    rules = [*far.get(VALIDATIONS, []), *near.get(VALIDATIONS, [])]
    return {**far, **near, **({VALIDATIONS: rules} if rules else {})}


def _spoken(pattern: str, fix: str, also: str, *, breaks: bool) -> dict[str, str]:
    """Turn a pattern into a rule that says the value and the fix; beside an error the API server says `message`."""
    condition = f"self.matches(r'{pattern}')" + (f" && {also}" if also else "")
    made = spoken(condition, f"""'is "' + self + '": {fix}'""")
    return {**made, "message": fix} if breaks else made


def _text(description: str) -> str:
    """Join a docstring's lines."""
    return " ".join(description.split())
