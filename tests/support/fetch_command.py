"""`serinus-fetch` as an init container runs it: a process of its own, with no variables but those that it is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_OPERATOR = Path(__file__).parents[2] / "operator"


@dataclass(frozen=True)
class Outcome:
    """How it ended: the exit code, the termination message, what it printed."""

    code: int
    message: Mapping[str, Any]
    said: str

    @property
    def reason(self) -> str:
        """Name why it failed; empty when it did not."""
        return str(self.message.get("reason", ""))


def run_fetch(uri: str, destination: Path, variables: Mapping[str, str], *options: str) -> Outcome:
    """Fetch into `destination`, an absent folder of an existing one, and tell how it ended."""
    log = destination.parent / f"{destination.name}.termination"
    command = [sys.executable, "-m", "serinus_serving.fetch", uri, str(destination), f"--termination-log={log}", *options]
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(_OPERATOR), "HOME": str(destination.parent)}
    answer = subprocess.run(command, env=kept | dict(variables), capture_output=True, text=True, timeout=110, check=False)
    message = json.loads(log.read_text()) if log.exists() else {}
    return Outcome(answer.returncode, message, answer.stdout + answer.stderr)


def files_of(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
