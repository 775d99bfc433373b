"""Whether a live object already has what we want: predicts what a server-side apply would change.

The API server adds defaults and status, other managers add their own keys, and quantities come back in canonical form;
none of that is a difference. Comparing values cannot notice a field that we no longer set; the digest of the intent,
kept as an annotation, does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serinus.api import GROUP
from serinus.api.canonical import digest
from serinus.core.model.kinds import Json
from serinus.core.plan.quantities import same_quantity

INTENT_ANNOTATION = f"{GROUP}/intent"

LONGEST_SHOWN = 80
"""Characters of a value in a message."""

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

_POD: Path = ("Deployment", "spec", "template", "spec")
_MERGED_PORTS: dict[Path, tuple[str, ...]] = {
    ("Service", "spec", "ports"): ("port", "protocol"),
    (*_POD, "containers", "ports"): ("containerPort", "protocol"),
    (*_POD, "initContainers", "ports"): ("containerPort", "protocol"),
}
_KEY_DEFAULTS = {"protocol": "TCP"}
"""What the API server fills in where an element leaves out a part of its key."""

_ZERO_BECOMES: dict[str, int | None] = {
    **dict.fromkeys(("hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly")),
    **dict.fromkeys(("hostPort", "initialDelaySeconds")),
    **{"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
}
"""What the API server makes of 0 or false in a pod: of fields that are no pointers in k8s.io/api/core/v1/types.go, so
that it cannot tell them from unset ones. It drops them, or puts in the default of pkg/apis/core/v1/defaults.go."""

_WHOLE: frozenset[Path] = frozenset(
    {
        ("Service", "spec", "selector"),
        ("PodDisruptionBudget", "spec", "selector", "matchLabels"),
        ("Deployment", "spec", "selector", "matchLabels"),
        ("VirtualService", "spec", "http"),
        ("HTTPRoute", "spec", "rules"),
    }
)
"""Values that an apply replaces as a whole, so that anything added to them by hand is a difference."""

_COMPARED = ("labels", "annotations", "ownerReferences")
_PLAIN = frozenset({str, int, bool, float})
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


@dataclass(frozen=True)
class Difference:
    """A field that is not as it was wished: its path, and both values as JSON."""

    field: str
    live: str
    wanted: str

    def __str__(self) -> str:
        if ".env[" in self.field:
            return self.field  # what a variable holds is nobody else's business
        return f"{self.field} is {_short(self.live)} instead of {_short(self.wanted)}"


def differences(live: Json, wanted: Json) -> tuple[Difference, ...]:
    """Name each field in which `live` does not carry `wanted`; empty where `carries` is True."""
    kind = str(wanted.get("kind", ""))
    had, wished = live.get("metadata", {}), wanted.get("metadata", {})
    found = [_differing(had.get(key), wished[key], ("metadata", key)) for key in _COMPARED if key in wished]
    found += [
        _differing(live.get(key), value, (kind, key))
        for key, value in wanted.items()
        if key not in {"apiVersion", "kind", "metadata"}
    ]
    return tuple(
        Difference(name.removeprefix(f"{kind}."), _as_json(one), _as_json(other))
        for each in found
        for name, one, other in each
    )


def _differing(live: Any, wanted: Any, path: Path, shown: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Go down to the smallest values that differ; `shown` says where we are, elements by their keys."""
    shown = shown or ".".join(path)
    if _value_carries(live, wanted, path):
        return
    if path not in _WHOLE and isinstance(wanted, dict) and isinstance(live, dict):
        for key, value in wanted.items():
            yield from _differing(live.get(key), value, (*path, key), f"{shown}.{key}")
    elif path not in _WHOLE and isinstance(wanted, list) and isinstance(live, list) and (keys := _keys(path)):
        found = {_place(element, keys): element for element in live}
        for element in wanted:
            place = _place(element, keys)
            name = f"{shown}[{'/'.join(map(str, place))}]"
            yield from _differing(found.get(place), element, path, name)
    else:
        yield shown, live, wanted


def _as_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _short(value: str) -> str:
    return value if len(value) <= LONGEST_SHOWN else f"{value[:LONGEST_SHOWN]}…"


def _keys(path: Path) -> tuple[str, ...] | None:
    return _MERGED_PORTS.get(path) or _KEYS.get(path[-1])


def _place(element: Json, keys: tuple[str, ...]) -> tuple[Any, ...]:
    """Give what the API server knows an element of a merged list by."""
    return tuple([element.get(key, _KEY_DEFAULTS.get(key)) for key in keys])


def _metadata_carries(live: Json, wanted: Json) -> bool:
    return all(_value_carries(live.get(key), wanted[key], ("metadata", key)) for key in _COMPARED if key in wanted)


def _value_carries(live: Any, wanted: Any, path: Path) -> bool:
    if isinstance(wanted, str) and live == wanted:
        return True  # nearly every value of nearly every pass
    if path in _WHOLE:
        return _same(live, wanted)
    if isinstance(wanted, dict) and isinstance(live, dict):
        return _fields_carry(live, wanted, path)
    if isinstance(wanted, list) and isinstance(live, list):
        return _list_carries(live, wanted, path)
    if _is_unset(live, wanted, path):
        return True
    return same_quantity(live, wanted) if _is_quantity(path) else _same(live, wanted)


def _fields_carry(live: Json, wanted: Json, path: Path) -> bool:
    for key, value in wanted.items():
        had = live.get(key)
        if not _is_plainly(had, value) and not _value_carries(had, value, (*path, key)):
            return False
    return True


def _is_plainly(live: Any, wanted: Any) -> bool:
    """Tell whether both are the same plain value, as nearly all values of nearly all passes are."""
    kind = wanted.__class__
    return kind in _PLAIN and live.__class__ is kind and bool(live == wanted)


def _is_unset(live: Any, wanted: Any, path: Path) -> bool:
    """Tell whether the API server takes a value for none: it drops empty ones, and of some fields also 0 and false."""
    if live is None and wanted in ("", [], {}):
        return True
    in_pod = path[: len(_POD)] == _POD and path[-1] in _ZERO_BECOMES
    return in_pod and wanted in (0, False) and bool(live == _ZERO_BECOMES[path[-1]])


def _list_carries(live: list[Any], wanted: list[Any], path: Path) -> bool:
    keys = _keys(path)
    if keys is None:
        pairs = zip(live, wanted, strict=False)
        return len(live) == len(wanted) and all(_is_plainly(*one) or _value_carries(*one, path) for one in pairs)
    found = {_place(element, keys): element for element in live}
    return all(_value_carries(found.get(_place(element, keys)), element, path) for element in wanted)


def _is_quantity(path: Path) -> bool:
    return path[-1] in {"sizeLimit", "divisor"} or (
        len(path) > 2 and path[-3] == "resources" and path[-2] in _QUANTITY_PARENTS
    )


def _same(live: Any, wanted: Any) -> bool:
    """Compare two JSON values; True is not 1 and "1" is not 1."""
    if _is_plainly(live, wanted):
        return True
    if isinstance(live, dict) and isinstance(wanted, dict):
        return live.keys() == wanted.keys() and all(_same(live[key], wanted[key]) for key in wanted)
    if isinstance(live, list) and isinstance(wanted, list):
        return len(live) == len(wanted) and all(map(_same, live, wanted))
    return isinstance(live, bool) == isinstance(wanted, bool) and bool(live == wanted)
