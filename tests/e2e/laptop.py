"""A data scientist's machine: a copy of an example under git, its packages, and a shell for the lines of its README."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from serinus_local import pypi
from serinus_local import stack as local
from serinus_local.__main__ import exports
from tests.e2e import given

_SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_MADE = shutil.ignore_patterns(".*", "__pycache__", "build")
"""What somebody who has followed the README has in the folder, too."""
_PYTHON = f"{sys.executable} -S"
"""Without the virtual environment of the tests: the example's packages stand alone."""


class Laptop:
    """An example as its README finds it, but in the tests' namespace and on their hosts."""

    def __init__(self, stack: local.Stack, example: Path, state: Path, environment: Mapping[str, str]) -> None:
        self.folder = state / example.name
        shutil.copytree(example, self.folder, ignore=_MADE)
        for file in filter(Path.is_file, self.folder.rglob("*")):
            file.write_text(_ours(file.read_text()))
        programs = _programs(state / "bin", pypi.installed(example.name, example / "requirements.txt"))
        self._lines = "\n".join((*exports(stack), f'export PATH="{programs}:$PATH"', ""))
        self._environment = {**os.environ, **environment}
        self.run(
            "git init --quiet && git add . && git -c user.name=t -c user.email=t@example.com commit --quiet -m Example"
        )
        self.sections = {
            title: "".join(blocks)
            for title, text in _SECTION.findall((self.folder / "README.md").read_text())
            if (blocks := _BLOCK.findall(text))
        }

    def follow(self, title: str) -> str:
        """Run the lines of a section, and give what they print."""
        return self.run(self.sections[title])

    def run(self, script: str) -> str:
        """Run lines; raises AssertionError with what they printed when one fails."""
        ended = subprocess.run(
            self._argv(script), cwd=self.folder, env=self._environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{script}\n{ended.stdout[-4000:]}{ended.stderr[-4000:]}"
        return ended.stdout

    @contextmanager
    def meanwhile(self, title: str) -> Iterator[Path]:
        """Run a section's only line in a second terminal; Ctrl-C ends it, and the file then has what it printed."""
        said = self.folder / "second-terminal.txt"
        with said.open("w") as file:
            # Whatever runs in the background of a script ignores Ctrl-C, and its children with it.
            argv = ("env", "--default-signal=INT", *self._argv(f"exec {self.sections[title]}"))
            with subprocess.Popen(argv, cwd=self.folder, env=self._environment, stdout=file, stderr=file) as running:
                try:
                    yield said
                finally:
                    running.send_signal(signal.SIGINT)

    def _argv(self, script: str) -> tuple[str, ...]:
        return ("bash", "-euo", "pipefail", "-c", self._lines + script)


def _ours(text: str) -> str:
    """Move a text into the tests' namespace, and have its pauses over sooner."""
    text = text.replace("namespace: ml", f"namespace: {given.NAMESPACE}").replace(" -n ml", f" -n {given.NAMESPACE}")
    text = text.replace("duration: 30s", "duration: 5s")
    return text.replace("phishing.example.com", given.host("phishing"))


def _programs(folder: Path, packages: Path) -> Path:
    """Write the programs that the README calls, each on its own packages."""
    folder.mkdir()
    called = {
        "python": (packages, _PYTHON),
        "aws": (packages, f"{_PYTHON} -m awscli"),
        "kubectl-serinus": (local.REPOSITORY / "operator", f"{sys.executable} -m serinus"),
    }
    for name, (path, command) in called.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {command} "$@"\n')
        program.chmod(0o755)
    return folder
