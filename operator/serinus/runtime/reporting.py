"""Reports what a pass did: a log line for each decision, and metrics."""

from __future__ import annotations

from collections import Counter
from sys import intern

import structlog

from serinus.api.parsing import ModelDeploymentView
from serinus.api.status import Verdict
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.rollout.decision import Decision, Note, StoredState
from serinus.runtime.ports import Cache, Clock
from serinus.runtime.telemetry import Telemetry

log = structlog.get_logger("serinus.decision")


class Reports:
    """Logs and counts what was decided."""

    def __init__(self, telemetry: Telemetry, cache: Cache, clock: Clock) -> None:
        self._telemetry = telemetry
        self._clock = clock
        self._phases: dict[Key, str] = {}
        """By Rollout."""
        self._weights: dict[Key, tuple[tuple[str, str], int]] = {}
        """By Rollout that goes on: whose it is, and what is shown."""
        cache.follow(ROLLOUT, self._rolled)

    def note(self, view: ModelDeploymentView, note: Note) -> None:
        """Write the line of a decision, and count it."""
        self.said(note)
        say = log.warning if note.warning else log.info
        rollout = note.rollout.name if note.rollout else None
        say(note.reason, namespace=view.namespace, name=view.name, rollout=rollout, message=note.message)

    def said(self, note: Note) -> None:
        """Count what people were told."""
        self._telemetry.events.labels(note.reason).inc()

    def carried_out(self, view: ModelDeploymentView, decision: Decision) -> None:
        """Count what a pass decided, after it was done."""
        for stored in decision.states:
            self._verdict(stored)
            self._reverted(stored)

    def before_scrape(self) -> None:
        """Count the Rollouts by phase, and show the weights of those that go on."""
        self._telemetry.show_rollouts(Counter(self._phases.values()))
        self._telemetry.show_weights(dict(self._weights.values()))

    def _rolled(self, namespace: str, name: str, rollout: Json | None) -> None:
        """Follow what a scrape shows of a Rollout: reading all of them for each would take seconds."""
        place = Key(namespace, name)
        self._weights.pop(place, None)
        if rollout is None:
            self._phases.pop(place, None)
            return
        status = rollout.get("status") or {}
        self._phases[place] = intern(str(status.get("phase", "Pending")))
        weight = status.get("weight")
        if status.get("settledAt") is None and isinstance(weight, int):
            # One without our label goes by its own name.
            labels = rollout["metadata"].get("labels") or {}
            self._weights[place] = (namespace, str(labels.get(MODEL_DEPLOYMENT_LABEL, name))), weight

    def _verdict(self, stored: StoredState) -> None:
        assessment = stored.state.assessment
        if assessment is not None and assessment is not stored.before.assessment:
            self._telemetry.verdicts.labels(assessment.verdict, assessment.reason).inc()

    def _reverted(self, stored: StoredState) -> None:
        before, state = stored.before, stored.state
        if state.exposure == before.exposure:
            return
        assessment = state.assessment
        if state.exposure.is_nothing and assessment is not None and assessment.verdict is Verdict.UNSAFE:
            self._telemetry.revert_seconds.observe(max(0.0, self._clock.now() - assessment.at))
