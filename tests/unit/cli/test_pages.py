"""The pages that people read say nothing that the tree does not hold: paths, commands, targets, reasons, series."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from serinus.api.status import Verdict
from serinus.cli.app import app
from serinus.core.analysis.comparison_words import _HOLDS, _REVERTS
from serinus.core.model.assessment import Reason
from serinus.core.model.snapshot import Probed
from serinus.core.rollout.reasons import RolloutReason
from serinus.runtime.telemetry import Telemetry

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")])
FOLDERS = ("operator", "crds", "charts", "examples", "tests", "docs", "scripts", "requirements", "benchmarks", ".ci")
TOP = tuple(f"{folder}/" for folder in FOLDERS)
ROOM = re.compile(r"^(api|core|runtime|adapters|handlers|cli|simulation)/[\w/]+\.py$|^(app|config)\.py$")
TOKEN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _ids(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text())


def _named_paths(page: Path) -> set[str]:
    """The paths in code font that start with one of our folders; those of a room are under operator/serinus."""
    tokens = TOKEN.findall(_prose(page))
    plain = {token for token in tokens if token.startswith(TOP) and re.fullmatch(r"[\w./-]+", token)}
    return plain | {f"operator/serinus/{token}" for token in tokens if ROOM.match(token)}


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_path_that_is_named_exists(page: Path) -> None:
    """A reader can open each file that a page speaks of."""
    assert [path for path in sorted(_named_paths(page)) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links between pages, and from pages into the tree."""
    links = [link for link in LINK.findall(_prose(page)) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_command_exists(page: Path) -> None:
    """What can be copied from a page can be run."""
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    named = set(re.findall(r"(?:kubectl |`|-m |^)serinus ([a-z]+)", page.read_text(), re.MULTILINE))
    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=_ids)
def test_every_make_target_exists(page: Path) -> None:
    """And every target."""
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|=\w+ |^)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named - known == set()


def test_users_read_canary_and_stable() -> None:
    """Words of the statistics stay in the code: no page, chart, CRD or example has them."""
    shown = [*PAGES, *(path for top in ("charts", "crds", "examples") for path in (ROOT / top).rglob("*.*"))]
    pages = [path for path in shown if path.parent.name != "designs" and path.is_file()]
    assert [str(path) for path in pages if re.search("champion|challenger", path.read_text(), re.IGNORECASE)] == []


def test_the_picture_of_the_architecture_is_the_folder_listing() -> None:
    """The README's first screen shows the rooms that exist, and all of them."""
    picture = _picture()
    shown = set(re.findall(r"^ +([a-z_]+)/", picture, re.MULTILINE)) | {"cli"}
    serinus = ROOT / "operator" / "serinus"
    rooms = {path.parent.name for path in serinus.glob("*/__init__.py")}
    inner = {path.parent.name for path in serinus.glob("core/*/__init__.py")}
    assert shown == rooms | inner
    modules = {path.name for path in serinus.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert [name for name in sorted(modules) if name not in picture] == []


def test_the_picture_names_every_folder_of_the_top() -> None:
    """Nobody wonders what a folder is for."""
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    made = {"build", "dist"}
    picture = _picture()
    assert [name for name in sorted(folders - made) if f"{name}/" not in picture] == []


def _picture() -> str:
    blocks: list[str] = BLOCK.findall((ROOT / "README.md").read_text())
    return blocks[1]


def test_the_statistics_speak_of_verdicts_and_reasons_that_a_rollout_has() -> None:
    """The one on call finds on the page what the status says, all of what the test can say, and nothing else."""
    page = (ROOT / "docs" / "statistics.md").read_text()
    section = page.partition("## For the on-call engineer")[2].partition("\n## ")[0]
    rows = [row.split("|")[1:3] for row in section.splitlines() if re.match(r"^\| [A-Z]\w+ \| `", row)]
    assert {verdict.strip() for verdict, _ in rows} == set(Verdict)
    named = {token for _, reasons in rows for token in TOKEN.findall(reasons)}
    assert named <= set(Reason)
    assert {*_HOLDS.values(), *_REVERTS.values(), Reason.WORSE, Reason.WITHIN_LIMITS} <= named


def test_operations_name_only_reasons_that_exist() -> None:
    """What an SRE looks up is what the operator says."""
    table = (ROOT / "docs" / "operations.md").read_text().partition("## Each reason")[2].partition("Of a ModelD")[0]
    named = {token for row in table.splitlines() if row.startswith("| `") for token in TOKEN.findall(row.split("|")[1])}
    assert named <= {*RolloutReason, *Reason, *Probed}


def test_operations_say_what_to_do_about_every_verdict_but_safe() -> None:
    """No reason that holds or takes the weight is left out."""
    page = (ROOT / "docs" / "operations.md").read_text()
    assert [reason for reason in Reason if reason is not Reason.WITHIN_LIMITS and f"`{reason}`" not in page] == []


def test_operations_name_only_series_that_are_exposed() -> None:
    """An alert that is copied from the page fires."""
    named = set(re.findall(r"`(serinus_\w+)`", (ROOT / "docs" / "operations.md").read_text()))
    exposed = Telemetry.create().expose().decode()
    families = set(re.findall(r"^# TYPE (\w+)", exposed, re.MULTILINE))
    assert sorted(name for name in named if name not in families) == []
