"""The page of all fields, docs/api-fields.md, made from the same schemas as the CRDs."""

from __future__ import annotations

from collections.abc import Iterator

from serinus.api.rules import FROZEN_MESSAGE, VALIDATIONS
from serinus.api.schema import Schema

_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "{} or more items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
    "maxLength": "at most {} characters",
    "default": "default {}",
}


def page(kinds: dict[str, Schema]) -> str:
    """Render the page; `kinds` maps a kind to its whole schema."""
    lines = [
        "# All fields",
        "",
        "Generated from `operator/serinus/api` by `make crds`; [api.md](api.md) is the guide.",
        "*Frozen* fields cannot change once the Rollout exists.",
        "",
    ]
    for kind, schema in kinds.items():
        lines += [f"## {kind}", "", schema["description"], ""]
        for section in ("spec", "status"):
            lines += ["| Field | Type | What it is |", "| --- | --- | --- |"]
            lines += [
                _row(path, node, needed) for path, node, needed in _fields(schema["properties"][section], section)
            ]
            lines += [""]
    return "\n".join(lines)


def _fields(schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    """Walk the named fields below a node, with whether each is required."""
    for name, node in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, node, name in schema.get("required", ())
        yield from _fields(node, here)
        yield from _fields(node.get("items", {}), f"{here}[]")


def _row(path: str, node: Schema, needed: bool) -> str:
    facts = [*(["required"] if needed else []), *_facts(node)]
    tail = f" *({'; '.join(facts)})*" if facts else ""
    return f"| `{path}` | {_type(node)} | {node.get('description', '')}{tail} |".replace("\n", " ")


def _type(node: Schema) -> str:
    if "x-kubernetes-int-or-string" in node:
        return "quantity"
    if "items" in node:
        return f"list of {_type(node['items'])}"
    if "additionalProperties" in node:
        return f"map of {_type(node['additionalProperties'])}"
    return str(node.get("type", "any"))


def _facts(node: Schema) -> list[str]:
    """Say enums, bounds and fixed messages; what a CEL expression says stands in the description."""
    facts = ["one of " + ", ".join(node["enum"])] if "enum" in node else []
    facts += [text.format(node[key]) for key, text in _BOUNDS.items() if key in node]
    rules = [rule for rule in node.get(VALIDATIONS, []) if "message" in rule]
    return facts + ["frozen" if rule["message"] == FROZEN_MESSAGE else rule["message"] for rule in rules]
