"""Which parts the benchmark has, and what becomes of figures where one fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import live, parts
from benchmarks.figures import Findings
from benchmarks.ground import Tell
from benchmarks.live import Load
from benchmarks.manifests import Mode
from benchmarks.parts import Wish
from benchmarks.template import Templates
from benchmarks.waits import within


@dataclass
class NoGround:
    """Parts that need none are measured on it."""

    tell: Tell

    def rest(self) -> None:
        """Nobody is at work."""

    async def clear(self) -> None:
        """Nothing is there."""


class Grounds:
    """Stands in for API servers and all that goes with them, and counts them."""

    def __init__(self) -> None:
        self.made = 0

    @asynccontextmanager
    async def make(self, tell: Tell) -> AsyncIterator[NoGround]:
        """Give one more."""
        self.made += 1
        yield NoGround(tell)


@pytest.fixture
def grounds(monkeypatch: pytest.MonkeyPatch) -> Grounds:
    """All that parts are measured on."""
    made = Grounds()
    monkeypatch.setattr(parts, "ground", made.make)
    return made


async def fails(wish: Wish, templates: Templates, findings: Findings) -> None:
    """A part that has found something before it fails."""
    findings.add({"kill": {"same_pod": 1}})
    raise AssertionError("not within 60 s: weight 0")


async def works(wish: Wish, templates: Templates, findings: Findings) -> None:
    """A part without trouble."""
    findings.add({"create": {"100": 1}})


@pytest.mark.parametrize(("full", "named"), [(False, False), (True, True)], ids=["the reduced set", "all"])
def test_two_replicas_are_measured_where_everything_is(full: bool, named: bool) -> None:
    """The reduced set has to end within five minutes."""
    assert ("replicas" in parts.usual(full=full)) is named
    assert {"live", "threshold", "idle", "create", "kill", "requests"} <= set(parts.usual(full=full))


@pytest.mark.parametrize("mode", list(Mode))
def test_all_sizes_are_1_100_300_and_1000(mode: Mode) -> None:
    """In both modes, with a look a second; the default mode is looked at each ten seconds, too."""
    keys = {each.key for each in Wish(full=True).loads(mode)}
    assert {"1", "100", "300", "1000"} <= keys
    assert ("1000 at 10s" in keys) is (mode is Mode.DEFAULT)


async def test_a_part_that_fails_is_said_and_leaves_the_others(
    grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had found stays, and the next one has an API server on which nothing is left of it."""
    monkeypatch.setattr(parts, "PARTS", {"kill": fails, "create": works, "idle": works})
    said, findings = list[str](), Findings()
    await parts.measured(["kill", "create", "idle"], Wish(), said.append, findings)
    assert findings.numbers["kill"] == {"same_pod": 1}
    assert findings.numbers["create"] == {"100": 1}
    assert findings.numbers["failed_parts"] == {"kill": "AssertionError: not within 60 s: weight 0"}
    assert findings.numbers["load_of_parts"].keys() == {"kill", "create", "idle"}
    assert not findings.is_whole
    assert said == ["kill could not be measured: AssertionError: not within 60 s: weight 0"]
    assert grounds.made == 2


async def test_a_load_that_fails_leaves_the_others(grounds: Grounds, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the keys of its mode."""

    async def at(here: object, asked: Load, mode: Mode, template: object, find: live.Find) -> None:
        find({"cpu_cores": {asked.key: 0.5}})
        if asked.rollouts == 300:
            raise AssertionError("not within 60 s: weight 0")

    async def no_template(*_: object) -> None:
        """Copied by nobody."""

    monkeypatch.setattr(live, "_at", at)
    monkeypatch.setattr(Templates, "live", no_template)
    findings = Findings()
    await parts.measured(["threshold"], Wish(live=(300, 100)), lambda text: None, findings)
    assert findings.numbers["threshold"] == {"cpu_cores": {"300": 0.5, "100": 0.5}}
    assert findings.numbers["failed_parts"] == {"live, threshold: 300": "AssertionError: not within 60 s: weight 0"}


def test_the_file_has_each_figure_as_soon_as_it_is_found(tmp_path: Path) -> None:
    """Figures are put beside those that are there already."""
    file = tmp_path / "bench.json"
    findings = Findings(file)
    findings.add({"revert_seconds": {"100": {"p50": 0.7}}})
    assert json.loads(file.read_text()) == {"revert_seconds": {"100": {"p50": 0.7}}}
    findings.add({"revert_seconds": {"100": {"all_at_once": {"p50": 1.5}}, "300": {"p50": 0.9}}, "create": {}})
    assert json.loads(file.read_text()) == {
        "revert_seconds": {"100": {"p50": 0.7, "all_at_once": {"p50": 1.5}}, "300": {"p50": 0.9}},
        "create": {},
    }


async def test_who_waits_in_vain_is_told_for_what() -> None:
    """Not just that it was too long."""
    with pytest.raises(AssertionError, match=r"^not within 0 s: the route is there$"):
        async with within(0.0, "the route is there"):
            await asyncio.Event().wait()
