"""Logs: one line per decision, as JSON for machines or in columns for people.

Expected failures (an API server restart, a spec that cannot be served) are one line with the reason; a traceback is a
bug of ours. Libraries' lines are written in the same format.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Final, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from serinus.core.model.errors import SerinusError

Format = Literal["json", "console"]
_QUIET: Final = ("kopf.objects", "kopf._core", "aiohttp.access", "urllib3")


def configure_logging(format: Format = "json", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all lines, ours and libraries', to a stream (default: standard error)."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _say_expected_errors_in_a_line,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(format)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _rendering(format: Format) -> Sequence[Processor]:
    if format == "console":
        return (structlog.dev.ConsoleRenderer(colors=False),)
    return (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())


def _say_expected_errors_in_a_line(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """Replace the traceback of an error of our own tree by its message."""
    given = event.get("exc_info")
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, SerinusError):
        del event["exc_info"]
        event.setdefault("error", str(error))
        event.setdefault("error_kind", type(error).__name__)
    return event
