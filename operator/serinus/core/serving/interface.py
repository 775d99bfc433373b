"""Which requests a server answers that callers of a model need, as a route can tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.core.model.matches import By


@dataclass(frozen=True)
class Path:
    """One way in which a request's path is compared; a regex (RE2) must match the whole path."""

    by: By
    value: str


@dataclass(frozen=True)
class Interface:
    """The paths of a protocol: what callers need of them, and nothing of a server's administration.

    `few_http` and `few_grpc` are fewer regexes that match the very same paths as `http` and `grpc`. None has more than
    100 instructions: by default Envoy refuses a larger one, and with it all routes of the gateway
    (`re2.max_program_size.error_level`; Istio's own proxies raise it, other gateways do not).
    """

    root: str
    """What the path of every HTTP request begins with."""
    below: tuple[str, ...]
    """What HTTP requests have below a prefix where only whole elements of a path are compared: inference first.

    The root itself is another such request, unless it stands here.
    """
    http: tuple[Path, ...]
    few_http: tuple[Path, ...]
    grpc: tuple[Path, ...]
    few_grpc: tuple[Path, ...]
    grpc_services: tuple[str, ...]
    """The prefixes of all methods, administration too."""
    loose_below: str = ""
    """What people should know who have a prefix where only whole elements of a path are compared."""
