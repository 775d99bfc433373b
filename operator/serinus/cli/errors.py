"""Errors of the CLI: one sentence that says what went wrong and what to do."""

from __future__ import annotations

from serinus.core.model.errors import SerinusError


class Refused(SerinusError):
    """The command cannot do this; its message is all that users see."""


class NotAllowed(Refused):
    """The user lacks a role."""
