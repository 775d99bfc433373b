"""Operators that are elected: one that leads everything, or several that share the shards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.figures import led, passes
from benchmarks.ground import Ground
from benchmarks.manifests import NAMESPACE
from benchmarks.waits import within
from tests.support.operator import OperatorProcess, samples

SHARDS: Final = 4
ELECTED: dict[str, Any] = {"leaderElection": {"enabled": True, "namespace": NAMESPACE}}
LEADS_SECONDS = 60.0
ASKED_SECONDS = 0.1


class Replicas:
    """Makes operators of one install; each is the container of a pod of its own, unless a pod is named."""

    def __init__(self, here: Ground) -> None:
        self._here = here
        self._made = 0

    @property
    def pod(self) -> str:
        """Name the pod of the last one."""
        return f"serinus-{self._made}"

    def operator(self, pod: str = "", *, shards: int = 1) -> OperatorProcess:
        """Make one that has not been started."""
        self._made += 1
        return self._here.operator(f"operator-{self._made}", pod=pod or self.pod, shards=shards, **ELECTED)


async def until_lead(operators: Sequence[OperatorProcess], shards: int) -> list[frozenset[int]]:
    """Wait until each operator leads equally many shards and something was looked at; gives which, by operator."""
    async with within(LEADS_SECONDS, f"each of {len(operators)} operators leads its part of {shards} shards"):
        while True:
            pages = [await samples(one.url) for one in operators]
            found = [led(page) for page in pages]
            if any(map(passes, pages)) and all(len(one) == shards / len(operators) for one in found):
                return found
            await asyncio.sleep(ASKED_SECONDS)
