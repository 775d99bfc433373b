"""The model servers together: which one a spec has chosen, and which one a pod template runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from serinus.api.runtime import Runtime, RuntimeType
from serinus.core.model.kinds import Json
from serinus.core.serving.mlserver import MLServer
from serinus.core.serving.openai import OpenAi
from serinus.core.serving.runtime import OwnCounters, ServingRuntime
from serinus.core.serving.triton.runtime import Triton

DEFAULT_TYPE: Final = RuntimeType.TRITON
_EACH: Final[tuple[ServingRuntime, ...]] = (Triton(), MLServer(), OpenAi())
RUNTIMES: Final[Mapping[str, ServingRuntime]] = {each.type.value: each for each in _EACH}
COUNTED: Final[tuple[OwnCounters, ...]] = tuple(each.counters for each in _EACH if each.counters is not None)
"""What servers count themselves, each by its own series."""


def runtime_of(runtime: Runtime) -> ServingRuntime:
    """Give the server that a spec has chosen."""
    return RUNTIMES[runtime.type or DEFAULT_TYPE]


def server_container(template: Json) -> Json:
    """Find the server's container in a pod template of ours, of any version of the operator: the first."""
    container: Json = template["spec"]["containers"][0]
    return container


def runtime_in(template: Json) -> ServingRuntime:
    """Give the server that a pod template of ours runs; a template is never rendered again, so it alone knows."""
    return RUNTIMES.get(str(server_container(template).get("name")), RUNTIMES[DEFAULT_TYPE])
