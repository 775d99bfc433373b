"""Conversions as YAML: each manifest below the lines that a reader has to know, which stay with it in git."""

from __future__ import annotations

import json
from typing import Any

import yaml

from serinus.cli.convert.converted import Conversion, Converted


class _Plain(yaml.SafeDumper):
    """YAML without anchors, and with the lines of a query as lines."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Plain, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Plain.add_representer(str, _text)


def page(conversion: Conversion) -> str:
    """Write all manifests, ready for kubectl apply."""
    parts = ["\n".join([*_heading(one), _written(one)]) for one in conversion.converted]
    ignored = "".join(f"# ignored: {_one_line(title)}: not needed\n" for title in conversion.ignored)
    return ignored + "---\n".join(parts)


def as_json(conversion: Conversion) -> str:
    """Write all manifests and remarks for a script."""
    told = [
        {
            "source": one.source,
            "manifest": one.manifest,
            "remarks": [{"kind": each.kind, "field": each.field, "text": each.text} for each in one.remarks],
        }
        for one in conversion.converted
    ]
    return json.dumps({"converted": told, "ignored": conversion.ignored}, indent=2, ensure_ascii=False)


def _heading(one: Converted) -> list[str]:
    return [f"# Converted from {_one_line(one.source)}; take these lines out once they are dealt with.",
            *(f"# {remark}" for remark in one.remarks)]  # fmt: skip


def _written(one: Converted) -> str:
    return yaml.dump(one.manifest, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)
