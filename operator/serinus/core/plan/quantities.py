"""Kubernetes quantities by value: the API server writes `1000m` back as `1`, and `1024Mi` as `1Gi`."""

from __future__ import annotations

import re
from decimal import Decimal

_FORM = re.compile(r"^([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?$")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = "KMGTPE"


def quantity(text: str) -> Decimal:
    """Read a quantity; raises ValueError."""
    match = _FORM.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a quantity: write it as 500m, 2 or 4Gi")
    number, suffix = Decimal(match[1]), match[2] or ""
    if suffix.endswith("i"):
        return number * Decimal(1024 ** (_BINARY.index(suffix[0]) + 1))
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix])
    return Decimal(match[1] + suffix)


def same_quantity(one: object, other: object) -> bool:
    """Tell whether two quantities are equal by value; what is not a quantity is compared as it stands."""
    try:
        return quantity(str(one)) == quantity(str(other))
    except ValueError:
        return one == other
