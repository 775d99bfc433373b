"""The text of a file as manifests."""

from __future__ import annotations

from typing import Any

import yaml

from serinus.cli.convert.manifests import Manifests
from serinus.cli.errors import Refused


def read_manifests(text: str) -> Manifests:
    """Read every document, and every item of a List; raises Refused."""
    try:
        found = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        raise Refused(f"not valid YAML: {what}{place}") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise Refused(f"not valid YAML: {' '.join(str(error).split())}") from error
    documents = [each for one in found if one is not None for each in _items(one)]
    if any(not isinstance(each, dict) for each in documents):
        raise Refused("a document is no manifest: it has no apiVersion and kind")
    return Manifests(documents)


def _items(document: Any) -> list[Any]:
    if isinstance(document, dict) and str(document.get("kind")).endswith("List"):
        items = document.get("items")
        return items if isinstance(items, list) else []
    return [document]
