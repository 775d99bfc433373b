"""Errors of the CLI: one sentence that says what went wrong and what to do."""

from __future__ import annotations

from serinus.core.model.errors import SerinusError


class Refused(SerinusError):
    """The command cannot do what it was asked to; the sentence is all that people see."""


class NotAllowed(Refused):
    """The person lacks a role."""
