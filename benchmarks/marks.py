"""The marks by which the operator knows that a child is as it was wished: digests of wishes, with names and uids.

A copy needs the marks of its own wishes, or the operator would apply all of it once more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

from serinus.core.model.kinds import Json
from serinus.core.plan.diff import INTENT_ANNOTATION, with_intent


def wishes_about(name: str, applied: Mapping[str, Json]) -> tuple[Json, ...]:
    """Give what was wished last of each child of a name, by the paths to which it was applied."""
    return tuple(wish for path, wish in applied.items() if name in path and _mark(wish))


def marks_of(wishes: Iterable[Json], renamed: Callable[[bytes], bytes]) -> dict[bytes, bytes]:
    """Give by the mark of each wish that of the same wish `renamed`; raises ValueError for one that is not our mark."""
    return {_mark(wish).encode(): _remarked(wish, renamed).encode() for wish in wishes}


def _remarked(wish: Json, renamed: Callable[[bytes], bytes]) -> str:
    plain = _unmarked(wish)
    if _mark(with_intent(plain)) != _mark(wish):
        raise ValueError(f"the mark of {wish['kind']} {wish['metadata']['name']} is not the digest of what was applied")
    other: Json = json.loads(renamed(json.dumps(plain).encode()))
    return _mark(with_intent(other))


def _mark(wish: Json) -> str:
    return str((wish["metadata"].get("annotations") or {}).get(INTENT_ANNOTATION, ""))


def _unmarked(wish: Json) -> Json:
    """Give a wish as it was before it was marked: without annotations where the mark is the only one."""
    metadata = dict(wish["metadata"])
    annotations = {key: text for key, text in metadata.pop("annotations").items() if key != INTENT_ANNOTATION}
    return {**wish, "metadata": {**metadata, **({"annotations": annotations} if annotations else {})}}
