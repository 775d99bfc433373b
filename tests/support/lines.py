"""The log of a test, to be waited for and searched."""

from __future__ import annotations

import asyncio
import logging


class Lines(logging.Handler):
    """Keeps every log line of a test."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.records: list[logging.LogRecord] = []
        self._loop = asyncio.get_running_loop()
        self._more = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self._loop.call_soon_threadsafe(self._more.set)

    def said(self, text: str) -> list[str]:
        """Give the lines that hold a text."""
        return [str(record.msg) for record in self.records if text in str(record.msg)]

    async def until_said(self, text: str, *, limit: float = 30) -> None:
        """Wait for a line that holds a text."""
        async with asyncio.timeout(limit):
            while not self.said(text):
                self._more.clear()
                await self._more.wait()

    def tracebacks(self) -> list[str]:
        """Give the lines that carry a traceback: each is a mistake of ours."""
        return [str(record.msg) for record in self.records if record.exc_info or _carries_error(record.msg)]


def _carries_error(message: object) -> bool:
    """Tell whether a structured line, which is a dict until it is rendered, will be rendered with a traceback."""
    return isinstance(message, dict) and bool(message.get("exc_info"))
