"""docs/conditions.md is the closed list: no reason of the code is missing there, none is left over."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from serinus.api import crds
from serinus.core.model import assessment
from serinus.core.plan.diagnosis import reasons as pods
from serinus.core.rollout.reasons import RolloutReason

PAGE = (crds.ROOT / "docs/conditions.md").read_text()
LISTS: dict[str, type[StrEnum]] = {
    "Pods": pods.NotReadyReason,
    "Rollouts": RolloutReason,
    "Assessments": assessment.Reason,
}


def _section(title: str) -> str:
    """Give the text under a heading that begins with the title."""
    return next(part for part in PAGE.split("\n## ") if part.startswith(title))


@pytest.mark.parametrize("title", LISTS, ids=list(LISTS))
def test_the_page_lists_each_reason_once(title: str) -> None:
    """The table of a section is the code's list, in its order."""
    assert re.findall(r"^\| `(\w+)`", _section(title), re.MULTILINE) == list(LISTS[title])


@pytest.mark.parametrize("title", ["Obstacles", "Reasons of a ModelDeployment"])
def test_every_reason_of_the_page_is_in_the_code(title: str) -> None:
    """What the page promises, some line of the operator says."""
    code = "".join(path.read_text() for path in (crds.ROOT / "operator/serinus").rglob("*.py"))
    assert [reason for reason in re.findall(r"^\| `(\w+)`", _section(title), re.MULTILINE) if reason not in code] == []


def test_every_reason_of_the_code_is_on_the_page() -> None:
    """An obstacle or a statement with a reason of its own is documented."""
    code = "".join(path.read_text() for path in (crds.ROOT / "operator/serinus").rglob("*.py"))
    said = re.findall(r'\b(?:Obstacle|Unreached|Note)\(\s*"(\w+)"', code)
    said += re.findall(r'\bStatement\(\s*"\w+", [^,]+, "(\w+)"', code)
    assert [reason for reason in said if f"`{reason}`" not in PAGE] == []
