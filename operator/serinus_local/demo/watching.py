"""Follows the demo's objects: `kubectl get --watch` as a stream of what they look like now."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

Manifest = dict[str, Any]
AGAIN_SECONDS = 0.5
LINE_BYTES = 4 * 1024 * 1024
"""kubectl writes an event a line, the whole object in it."""


class Watch:
    """The newest state of the objects of one kind; `changed` is told each time one moves."""

    def __init__(self, kubectl: Sequence[str], kind: str, selector: Sequence[str]) -> None:
        self._command = (*kubectl, "get", kind, *selector, "--watch", "--output-watch-events", "--output=json")
        self._told: list[Callable[[Manifest], None]] = []
        self._moved = asyncio.Condition()
        self.objects: dict[str, Manifest] = {}

    def tell(self, changed: Callable[[Manifest], None]) -> None:
        """Call `changed` with every object that moves."""
        self._told.append(changed)

    async def run(self) -> None:
        """Follow until cancelled; a watch that the API server ends is begun again."""
        while True:
            async for event in self._events():
                await self._take(event)
            await asyncio.sleep(AGAIN_SECONDS)

    async def until(self, check: Callable[[], bool], limit: float) -> bool:
        """Wait until `check` holds; it is asked again each time an object moves. False when the limit passes."""
        try:
            async with asyncio.timeout(limit), self._moved:
                await self._moved.wait_for(check)
        except TimeoutError:
            return False
        return True

    async def _take(self, event: Manifest) -> None:
        manifest = event["object"]
        name = manifest["metadata"]["name"]
        if event["type"] == "DELETED":
            self.objects.pop(name, None)
        else:
            self.objects[name] = manifest
        for changed in self._told:
            changed(manifest)
        async with self._moved:
            self._moved.notify_all()

    async def _events(self) -> AsyncIterator[Manifest]:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, limit=LINE_BYTES
        )
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                yield json.loads(line)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
