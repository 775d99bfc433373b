"""The image, the tools, the lock files and the documentation have one version of Python."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

from serinus_local import debian

ROOT = Path(__file__).parents[2]


def test_everything_names_the_same_python() -> None:
    """What is tested is what runs."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = pyproject["tool"]
    version = tools["mypy"]["python_version"]
    minor = int(version.split(".")[1])
    assert sys.version_info[:2] == (3, minor)
    assert pyproject["project"]["requires-python"] == f">={version},<3.{minor + 1}"
    assert tools["ruff"]["target-version"] == f"py3{minor}"
    assert f"python{version}-minimal" in debian.PACKAGES
    assert f"PYTHON_VERSION := {version}\n" in (ROOT / "Makefile").read_text()
    for lock in ("runtime", "serving", "dev"):
        assert "python_full_version" not in (ROOT / "requirements" / f"{lock}.txt").read_text()
    for page in ("README.md", "docs/local-stack.md"):
        assert set(re.findall(r"Python (\d+\.\d+)", (ROOT / page).read_text())) == {version}
