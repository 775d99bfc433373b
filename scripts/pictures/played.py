"""A strategy that is played: the operator's own code on virtual time, and what its route said each second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from scripts.pictures.drawing import Mark, Row, Shares

from serinus.core.model.kinds import Json
from tests.support.world import Model, World, fraud

STABLE, TRIED, LATER = "42", "43", "44"


@dataclass
class Course:
    """What was seen, second by second."""

    spec: Json
    world: World = field(default_factory=World)
    weights: list[Shares] = field(default_factory=list)
    cohort: list[Shares] = field(default_factory=list)
    copies: list[Shares] = field(default_factory=list)
    pods: list[Shares] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    async def begin(self) -> None:
        """Have the first version serve for a while."""
        self.world.models.update({version: Model() for version in (STABLE, TRIED, LATER)})
        self.world.commit(fraud(STABLE, **self.spec))
        await self.world.until(lambda world: world.phase == "Succeeded")
        await self.world.run(10)
        await self.run(20)

    async def commit(self, version: str) -> None:
        """Commit a version."""
        self.mark(f"{version} is committed")
        self.world.commit(fraud(version, **self.spec))

    async def until(self, check: Callable[[World], bool]) -> None:
        """Let time pass until something is so, an hour at most."""
        for _ in range(3600):
            if check(self.world):
                return
            await self.run(1)
        raise AssertionError(f"not within an hour: {self.world.state}")

    async def run(self, seconds: int) -> None:
        """Let time pass."""
        for _ in range(seconds):
            await self.world.tick()
            self._see()

    def mark(self, text: str) -> None:
        """Note that something happens now."""
        self.marks.append(Mark(len(self.weights), text))

    def lever(self, **fields: Any) -> None:
        """Set a lever of the newest Rollout."""
        self.world.lever(**fields)

    def row(self, label: str, seen: str, **looks: Any) -> Row:
        """Make a row of what was seen."""
        return Row(label, getattr(self, seen), **looks)

    def _see(self) -> None:
        split = self.world.split
        assert split is not None
        tried = next((name for name in split.revisions if self.world.version(name) == TRIED), None)
        shown = split.exposure_of(tried) if tried else None
        self.weights.append({version: float(weight) for version, weight in self.world.routed.items()})
        self.cohort.append({TRIED: 100.0} if shown and shown.matches else self.weights[-1])
        self.copies.append({TRIED: float(shown.mirror if shown else 0)})
        self.pods.append({version: float(len(self.world.pods(version))) for version in (STABLE, TRIED, LATER)})
