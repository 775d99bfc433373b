"""Imports what the tests need in a thread, as soon as a rollout is heard of that they judge.

numpy and SciPy are the price of Sequential mode alone, so nothing imports them before that. Without this the time that
it takes would fall into the first pass that holds or condemns, and hold up all others with it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from serinus.api.judging import Mode
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.runtime.ports import Cache

NEEDED: Final = (
    # First what the first pass over a rollout asks for: a pass that comes meanwhile waits for that alone.
    "serinus.core.analysis.comparison",
    "serinus.core.analysis.doubt",
    "serinus.core.analysis.foretelling",
    "serinus.core.analysis.past",
    "serinus.core.analysis.goal_words",
)
"""All that is imported late by whatever judges by tests."""


class LateImports:
    """Begins once; whoever needs a module meanwhile waits for it as for any other import."""

    def __init__(self, cache: Cache, needed: Sequence[str] = NEEDED) -> None:
        self._thread = threading.Thread(target=import_all, args=(needed,), name="imports", daemon=True)
        cache.follow(ROLLOUT, self._heard)

    def join(self) -> None:
        """Wait until everything is imported that was begun."""
        if self._thread.ident is not None:
            self._thread.join()

    def _heard(self, namespace: str, name: str, rollout: Json | None) -> None:
        """Take in that a Rollout is there, or has changed."""
        if self._thread.ident is None and rollout is not None and _is_judged_by_tests(rollout):
            self._thread.start()


def import_all(names: Sequence[str] = NEEDED) -> None:
    """Import modules, one after the other."""
    for name in names:
        import_module(name)


def _is_judged_by_tests(rollout: Json) -> bool:
    """Whether it goes on, beside a stable revision, and is not judged by limits alone."""
    spec, status = rollout.get("spec") or {}, rollout.get("status") or {}
    mode = (spec.get("analysis") or {}).get("mode")
    return "from" in spec and status.get("settledAt") is None and mode != Mode.THRESHOLD
