"""Whether a live object already carries what we want: what a server-side apply would change, told without asking.

The API server adds defaults and status, other managers add keys of their own, and quantities come back in canonical
form; none of that is a difference. That a field is not asked for any more is one that no comparison of values sees: the
digest of the intent, kept as an annotation, does.
"""

from __future__ import annotations

from typing import Any

from serinus.api import GROUP
from serinus.api.canonical import digest
from serinus.core.model.kinds import Json
from serinus.core.plan.quantities import same_quantity

INTENT_ANNOTATION = f"{GROUP}/intent"

Path = tuple[str, ...]

_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "imagePullSecrets": ("name",),
    "ownerReferences": ("uid",),
}
"""Lists that the API server merges by a key: elements of others stay whatever we apply, so they are no difference."""

_MERGED_PORTS: dict[Path, tuple[str, ...]] = {
    ("Service", "spec", "ports"): ("port", "protocol"),
    ("Deployment", "spec", "template", "spec", "containers", "ports"): ("containerPort", "protocol"),
}

_WHOLE: frozenset[Path] = frozenset(
    {
        ("Service", "spec", "selector"),
        ("Deployment", "spec", "selector", "matchLabels"),
        ("VirtualService", "spec", "http"),
    }
)
"""Values that an apply replaces as a whole, so that anything added to them by hand is a difference."""

_PRECONDITIONS = frozenset({"uid", "resourceVersion"})
_QUANTITY_PARENTS = frozenset({"requests", "limits"})


def with_intent(manifest: Json) -> Json:
    """Stamp a manifest with the digest of itself, so that a field removed from the intent is a difference too."""
    metadata = manifest["metadata"]
    intent = {key: value for key, value in metadata.items() if key not in _PRECONDITIONS}
    annotations = {**metadata.get("annotations", {}), INTENT_ANNOTATION: digest({**manifest, "metadata": intent})}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}


def same_intent(live: Json, stamped: Json) -> bool:
    """Tell whether a live object was last written for this very wish: what differs then, somebody else has changed."""
    marks = [one.get("metadata", {}).get("annotations", {}).get(INTENT_ANNOTATION) for one in (live, stamped)]
    return marks[0] is not None and marks[0] == marks[1]


def carries(live: Json, wanted: Json) -> bool:
    """Tell whether `live` holds all of `wanted`; False means that an apply would change something.

    Name, uid and resourceVersion are addresses and preconditions, not wishes; they are not compared.
    """
    kind = str(wanted.get("kind", ""))
    return _metadata_carries(live.get("metadata", {}), wanted.get("metadata", {})) and all(
        _value_carries(live.get(key), value, (kind, key))
        for key, value in wanted.items()
        if key not in {"apiVersion", "kind", "metadata"}
    )


def _metadata_carries(live: Json, wanted: Json) -> bool:
    compared = ("labels", "annotations", "ownerReferences")
    return all(_value_carries(live.get(key), wanted[key], ("metadata", key)) for key in compared if key in wanted)


def _value_carries(live: Any, wanted: Any, path: Path) -> bool:
    if isinstance(wanted, str) and live == wanted:
        return True  # nearly every value of nearly every pass
    if path in _WHOLE:
        return _same(live, wanted)
    if live is None:
        return wanted is None or wanted in ("", [], {})  # the API server drops empty ones
    if isinstance(wanted, dict) and isinstance(live, dict):
        return all(_value_carries(live.get(key), value, (*path, key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(live, list):
        return _list_carries(live, wanted, path)
    return same_quantity(live, wanted) if _is_quantity(path) else _same(live, wanted)


def _list_carries(live: list[Any], wanted: list[Any], path: Path) -> bool:
    keys = _MERGED_PORTS.get(path) or _KEYS.get(path[-1])
    if keys is None:
        return len(live) == len(wanted) and all(map(_value_carries, live, wanted, [path] * len(wanted)))
    found = {tuple(element.get(key) for key in keys): element for element in live}
    return all(_value_carries(found.get(tuple(element.get(key) for key in keys)), element, path) for element in wanted)


def _is_quantity(path: Path) -> bool:
    return path[-1] == "sizeLimit" or (len(path) > 2 and path[-3] == "resources" and path[-2] in _QUANTITY_PARENTS)


def _same(live: Any, wanted: Any) -> bool:
    """Compare two JSON values; True is not 1 and "1" is not 1."""
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live.keys() == wanted.keys() and all(_same(live[key], wanted[key]) for key in wanted)
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(_same, live, wanted))
    return isinstance(live, bool) == isinstance(wanted, bool) and bool(live == wanted)
