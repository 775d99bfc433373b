"""Which requests a route admits: what callers of a model need, and nothing of the server's administration.

A route leads to servers of one protocol: of all whom a rollout may go between, the paths are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from serinus.core.model.matches import By
from serinus.core.serving.interface import Interface, Path
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.serving.openai_protocol import OPENAI

_EACH: Final = (OPEN_INFERENCE, OPENAI)
_FEW: Final = {paths: few for one in _EACH for paths, few in ((one.http, one.few_http), (one.grpc, one.few_grpc))}


def grpc_paths(interface: Interface = OPEN_INFERENCE, *, all_paths: bool) -> tuple[Path, ...]:
    """List the paths of gRPC calls, which are known by them; none where a protocol has no gRPC."""
    if all_paths:
        return tuple(Path(By.PREFIX, service) for service in interface.grpc_services)
    return interface.grpc


def http_paths(interface: Interface = OPEN_INFERENCE, *, all_paths: bool) -> tuple[Path, ...]:
    """List the paths of all other requests; none when everything is admitted."""
    return () if all_paths else interface.http


def path_header_below(prefix: str, interface: Interface = OPEN_INFERENCE) -> str:
    """Write a regex of the header `:path`, query included, for what `http_paths` admits below a prefix."""
    ways = "|".join(path.value for path in interface.few_http)
    return f"{re.escape(prefix)}({ways})({re.escape('?')}.*)?"


def claimed_paths(prefix: str, interface: Interface = OPEN_INFERENCE, *, all_paths: bool) -> frozenset[str]:
    """List what the path of every request that a route admits begins with."""
    if all_paths:
        return _shared(frozenset({f"{prefix}/"}))
    if prefix:
        return _shared(frozenset({f"{prefix}{interface.root}"}))
    return _shared(frozenset({interface.root, *interface.grpc_services}))


@lru_cache(maxsize=1024)
def _shared(paths: frozenset[str]) -> frozenset[str]:
    """Give one set for all that are equal: thousands of routes admit the same paths."""
    return paths


def few(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Give fewer regexes that match the very same paths, where there are fewer."""
    return _FEW.get(paths, paths)


def interface_that(is_routed: Callable[[Interface], bool]) -> Interface:
    """Tell whose paths a live route has; the first where it has nobody's."""
    return next(filter(is_routed, _EACH), OPEN_INFERENCE)
