"""What the contract tests of serinus-fetch share: the program itself, run as a process, and a web server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.http import HttpServer, http_server

OPERATOR = Path(__file__).parents[3] / "operator"
OTHERS = ("AWS_", "GOOGLE_", "AZURE_", "STORAGE_EMULATOR_HOST", "HTTP", "ALL_PROXY", "NO_PROXY")
"""Variables that would change what is tested, if whoever runs the tests has them."""


@dataclass(frozen=True)
class Ended:
    """How a fetch ended."""

    code: int
    said: str
    message: dict[str, Any]

    @property
    def reason(self) -> str | None:
        """Give the reason of a failure; None when it was none."""
        reason: str | None = self.message.get("reason")
        return reason


class Fetches:
    """Starts serinus-fetch; destinations are folders of `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "termination-log"
        self.models = root / "models"
        self.program = ("-m", "serinus_serving.fetch")
        self.within: Callable[[list[str]], list[str]] = lambda argv: argv
        """Writes the command that runs the program somewhere else."""

    def start(self, uri: str, *arguments: str, name: str = "fraud", env: Mapping[str, str] | None = None) -> Any:
        """Start one; the model's folder is `models/<name>`."""
        self.log.unlink(missing_ok=True)
        argv = [sys.executable, *self.program, uri, str(self.models / name), *arguments]
        inherited = {key: value for key, value in os.environ.items() if not key.upper().startswith(OTHERS)}
        return subprocess.Popen(
            self.within([*argv, "--termination-log", str(self.log)]),
            env=inherited | {"PYTHONPATH": f"{OPERATOR}:{OPERATOR.parent}"} | dict(env or {}),
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, uri: str, *arguments: str, name: str = "fraud", env: Mapping[str, str] | None = None) -> Ended:
        """Run one to its end."""
        with self.start(uri, *arguments, name=name, env=env) as running:
            _, said = running.communicate()
        return Ended(running.returncode, said, json.loads(self.log.read_text()) if self.log.exists() else {})

    def files(self, name: str = "fraud") -> dict[str, bytes]:
        """Read the model that lies there."""
        folder = self.models / name
        return {at.relative_to(folder).as_posix(): at.read_bytes() for at in folder.rglob("*") if at.is_file()}

    def left(self) -> list[str]:
        """Name what lies where the models are."""
        return sorted(at.name for at in self.models.iterdir()) if self.models.exists() else []


@pytest.fixture
def fetches(tmp_path: Path) -> Fetches:
    return Fetches(tmp_path / "node")


@pytest.fixture
def web(tmp_path: Path) -> Iterator[HttpServer]:
    """Serve a new folder."""
    (tmp_path / "web").mkdir()
    with http_server(tmp_path / "web") as server:
        yield server


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[HttpServer]:
    """Serve another one, on another port."""
    (tmp_path / "elsewhere").mkdir()
    with http_server(tmp_path / "elsewhere") as server:
        yield server
