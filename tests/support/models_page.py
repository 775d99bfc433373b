"""The manifests of docs/models.md, by the scheme whose section they stand in."""

from __future__ import annotations

import re
from typing import Any

import yaml

from serinus.api import crds

PAGE = (crds.ROOT / "docs/models.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in PAGE.partition("## A manifest for each")[2].split("\n### ")[1:]}


def documents(section: str) -> dict[str, dict[str, Any]]:
    """Give the objects of a section's manifest, by their kind."""
    (text,) = re.findall(r"```yaml\n(.*?)```", SECTIONS[section], re.DOTALL)
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


def granted_hosts(section: str) -> tuple[str, ...]:
    """Give the hosts that a section says to grant."""
    (line,) = re.findall(r"^Hosts to grant: (.*)\.$", SECTIONS[section], re.MULTILINE)
    return tuple(re.findall(r"`([^`]+)`", line))
