"""JSON in and out of the states, without losing a bit.

Floats travel as Python writes them (shortest text that reads back as the same double); whole numbers lose their
`.0`, which halves the size of a state that consists of counts. Counts on the time grid are fractions of 18 digits each:
an array of those travels as the bytes of its doubles.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
State = dict[str, Any]

STATE_SCHEMA: Final = 2
_LARGEST_EXACT_INTEGER: Final = 2.0**53
_DOUBLES: Final = "<f8"


class Bank:
    """State in arrays that change in place, and in banks of such arrays; one row of each array is of one stream.

    Of the arrays in `BY_COLUMN` a stream has a column, and those in `OF_ALL` are of no stream.
    """

    BY_COLUMN: ClassVar[frozenset[str]] = frozenset()
    OF_ALL: ClassVar[frozenset[str]] = frozenset()

    def stacks(self, banks: Sequence[Self]) -> None:
        """Take over what is no array, when it becomes the stack of several banks (`stacking`)."""

    def unstacks(self, whole: Self, place: int) -> None:
        """Take back what is no array, of the bank at this place of the stack."""

    def copied(self) -> Self:
        """Give another one in the same state; what never changes is shared."""
        twin = object.__new__(type(self))
        kept = twin.__dict__
        kept.update(self.__dict__)
        for name, value in self.__dict__.items():
            if isinstance(value, np.ndarray):
                kept[name] = value.copy()
            elif isinstance(value, Bank):
                kept[name] = value.copied()
        return twin


class UnknownStateSchemaError(ValueError):
    """The stored evidence was written in a schema that this version does not read: start anew, hold the weight."""


def of_rows(t: float | Floats, rows: Any) -> float | Floats:
    """Give the times of some rows of a stack; of a bank alone all have one."""
    return t[rows] if isinstance(t, np.ndarray) else t


def check_schema(state: Mapping[str, Any], kind: str) -> None:
    """Raise UnknownStateSchemaError unless `state` is this version's state of a `kind`."""
    schema, found = state.get("schema"), state.get("kind")
    if schema != STATE_SCHEMA or found != kind:
        raise UnknownStateSchemaError(
            f"stored evidence is a {found!r} of schema {schema!r}; expected a {kind!r} of schema {STATE_SCHEMA}"
        )


def stamp(kind: str) -> State:
    """First fields of every state that can stand alone."""
    return {"schema": STATE_SCHEMA, "kind": kind}


def pack(values: Floats) -> list[Any] | str:
    """Nested lists of JSON numbers, or where that is shorter base64 of little-endian doubles; `values` are finite."""
    listed = [_pack_item(item) for item in values.tolist()]
    doubles = base64.b64encode(values.astype(_DOUBLES).tobytes()).decode()
    return doubles if len(doubles) < len(json.dumps(listed, separators=(",", ":"))) else listed


def unpack(values: Any, shape: tuple[int, ...]) -> Floats:
    """Array of `shape` from what `pack` wrote; ValueError when it does not fit."""
    if isinstance(values, str):
        return np.frombuffer(base64.b64decode(values, validate=True), dtype=_DOUBLES).astype(np.float64).reshape(shape)
    return np.array(values, dtype=np.float64).reshape(shape)


def number(value: float) -> float:
    """One float as a JSON number."""
    whole = value.is_integer() and abs(value) < _LARGEST_EXACT_INTEGER
    return int(value) if whole else value


def pack_arrays(owner: object, names: Iterable[str]) -> State:
    """Arrays of `owner` by the names of its attributes."""
    return {name: pack(getattr(owner, name)) for name in names}


def restore_arrays(owner: object, names: Iterable[str], state: Mapping[str, Any]) -> None:
    """Put stored arrays back in their attributes, in the shapes that these have."""
    for name in names:
        setattr(owner, name, unpack(state[name], getattr(owner, name).shape))


def take_rows(owner: object, other: object, names: Iterable[str], rows: Mapping[int, int], columns: str = "") -> None:
    """Take over rows of another owner's arrays, from its row to mine; those of the attribute `columns` are columns."""
    there, here = list(rows), list(rows.values())
    for name in names:
        mine, its = getattr(owner, name), getattr(other, name)
        if name == columns:
            mine[:, here] = its[:, there]
        else:
            mine[here] = its[there]


def _pack_item(item: Any) -> Any:
    if isinstance(item, list):
        return [_pack_item(inner) for inner in item]
    return number(item)
