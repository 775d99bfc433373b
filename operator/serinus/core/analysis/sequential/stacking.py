"""Many banks as one, and back again: the same arithmetic once for all of them.

A call of numpy costs the same for one row as for hundreds, and rows never influence each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

from serinus.core.analysis.sequential.state import Bank, Floats

B = TypeVar("B", bound=Bank)


def stacked(banks: Sequence[B]) -> B:
    """Give one bank with the rows of all, in their order; they are of one shape, and have the same parameters."""
    first = banks[0]
    whole = object.__new__(type(first))
    kept = whole.__dict__
    kept.update(first.__dict__)
    for name, value in first.__dict__.items():
        if isinstance(value, Bank):
            kept[name] = stacked([bank.__dict__[name] for bank in banks])
        elif isinstance(value, np.ndarray) and name not in first.OF_ALL:
            kept[name] = np.concatenate([bank.__dict__[name] for bank in banks], axis=_axis(first, name))
    whole.stacks(banks)
    return whole


def unstacked(whole: B, banks: Sequence[B]) -> list[B]:
    """Give what has become of each of the banks that a stack was made of; these stay as they are."""
    first, apart = banks[0], list[B]()
    for bank in banks:
        own = object.__new__(type(bank))
        own.__dict__.update(bank.__dict__)
        apart.append(own)
    for name, value in first.__dict__.items():
        if isinstance(value, Bank):
            _give(apart, name, unstacked(whole.__dict__[name], [bank.__dict__[name] for bank in banks]))
        elif isinstance(value, np.ndarray) and name not in first.OF_ALL:
            _give(apart, name, _parts(whole.__dict__[name], len(banks), _axis(first, name)))
    for place, own in enumerate(apart):
        own.unstacks(whole, place)
    return apart


def _axis(bank: Bank, name: str) -> int:
    return 1 if name in bank.BY_COLUMN else 0


def _give(owners: Sequence[Bank], name: str, values: Sequence[object] | Iterator[object]) -> None:
    for owner, value in zip(owners, values, strict=True):
        owner.__dict__[name] = value


def _parts(array: Floats, number: int, axis: int) -> Iterator[Floats]:
    """Cut an array into so many equal parts, each with memory of its own: a view of one would keep all."""
    rows = array.shape[axis] // number
    if axis == 1:
        parts = array.reshape(array.shape[0], number, rows).swapaxes(0, 1)
    else:
        parts = array.reshape(number, rows, *array.shape[1:])
    return (part.copy() for part in parts)
