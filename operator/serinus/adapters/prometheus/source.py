"""A Prometheus of the operator's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """Its name, as users write it, its address, and where its bearer token lies if it asks for one."""

    name: str
    url: str
    bearer_token_file: Path | None = None
