"""Variables in what a container is started with: Kubernetes writes the value of NAME for `$(NAME)`, and `$` for `$$`.

A name that the container has no variable of stays as it is written:
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from serinus.core.model.kinds import Json

_REFERENCE: Final = re.compile(r"\$(?:\$|\((?P<name>[^)]*)\))")


def escaped(text: str) -> str:
    """Write an argument or a value that Kubernetes makes this text of."""
    return text.replace("$", "$$")


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Tell what Kubernetes makes of an argument or a value, in a container with these variables."""

    def value(found: re.Match[str]) -> str:
        return "$" if found["name"] is None else values.get(found["name"], found[0])

    return _REFERENCE.sub(value, text)


def written_values(variables: Sequence[Json]) -> dict[str, str]:
    """Tell the variables of a container whose values are written in its spec; each may name those before it."""
    values: dict[str, str] = {}
    for variable in variables:
        if "valueFrom" not in variable:
            values[variable["name"]] = expanded(variable.get("value", ""), values)
    return values
