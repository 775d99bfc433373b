"""How values are replaced on the way of each look: `dataclasses.replace` builds the whole value anew, field by field.

A pass changes the state of a rollout ten times over, and a state has thirty fields.
"""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def revised(value: T, /, **changes: Any) -> T:
    """Give a frozen dataclass with some of its fields changed; itself, where nothing is.

    Only for those without slots and without a `__post_init__`: nothing is checked anew. TypeError for a field that it
    has not.
    """
    known = value.__dict__
    if not known.keys() >= changes.keys():
        raise TypeError(f"{type(value).__name__} has no field {', '.join(sorted(changes.keys() - known.keys()))}")
    if all(known[name] is new for name, new in changes.items()):
        return value
    twin: T = object.__new__(type(value))
    twin.__dict__.update(known)
    twin.__dict__.update(changes)
    return twin
