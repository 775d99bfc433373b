"""Which requests a route admits: what callers of a model need, and nothing of the server's administration.

Every server of today speaks the same protocol, so one route can lead to revisions of several.
"""

from __future__ import annotations

import re
from typing import Final

from serinus.core.model.matches import By
from serinus.core.serving.interface import Path
from serinus.core.serving.open_inference import OPEN_INFERENCE

SERVER: Final = OPEN_INFERENCE.root
EVERYTHING_BELOW: Final = OPEN_INFERENCE.below
_FEW: Final = {OPEN_INFERENCE.http: OPEN_INFERENCE.few_http, OPEN_INFERENCE.grpc: OPEN_INFERENCE.few_grpc}


def grpc_paths(*, all_paths: bool) -> tuple[Path, ...]:
    """List the paths of gRPC calls, which are known by them."""
    if all_paths:
        return tuple(Path(By.PREFIX, service) for service in OPEN_INFERENCE.grpc_services)
    return OPEN_INFERENCE.grpc


def http_paths(*, all_paths: bool) -> tuple[Path, ...]:
    """List the paths of all other requests; none when everything is admitted."""
    return () if all_paths else OPEN_INFERENCE.http


def path_header_below(prefix: str) -> str:
    """Write a regex of the header `:path`, query included, for what `http_paths` admits below a prefix."""
    ways = "|".join(path.value for path in OPEN_INFERENCE.few_http)
    return f"{re.escape(prefix)}({ways})({re.escape('?')}.*)?"


def claimed_paths(prefix: str, *, all_paths: bool) -> frozenset[str]:
    """List what the path of every request that a route admits begins with."""
    if all_paths:
        return frozenset({f"{prefix}/"})
    if prefix:
        return frozenset({f"{prefix}{SERVER}"})
    return frozenset({SERVER, *OPEN_INFERENCE.grpc_services})


def few(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    """Give fewer regexes that match the very same paths, where there are fewer."""
    return _FEW.get(paths, paths)
