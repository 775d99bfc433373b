"""The free ports of one state folder: chosen once and kept, so that a program comes back where it was."""

from __future__ import annotations

import json
from pathlib import Path

from serinus_local.process import free_port

LOOPBACK = "127.0.0.1"


class Ports:
    """Named loopback ports of one state folder."""

    def __init__(self, state: Path) -> None:
        self._file = state / "ports.json"

    def __getitem__(self, name: str) -> int:
        """Return the port of that name, choosing a free one at first."""
        known: dict[str, int] = json.loads(self._file.read_text()) if self._file.exists() else {}
        while name not in known:
            port = free_port()
            if port not in known.values():
                known[name] = port
        self._file.write_text(json.dumps(known))
        return known[name]
