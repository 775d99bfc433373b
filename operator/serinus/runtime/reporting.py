"""Reports what a pass did: a log line for each decision, and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import structlog

from serinus.api.parsing import ModelDeploymentView
from serinus.api.status import Verdict
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import ROLLOUT
from serinus.core.rollout.decision import Decision, Note, StoredState
from serinus.runtime.ports import Cache, Clock
from serinus.runtime.telemetry import Telemetry

log = structlog.get_logger("serinus.decision")


class Reports:
    """Logs and counts what was decided, and shows what is led: of several replicas each object is one's."""

    def __init__(
        self, telemetry: Telemetry, cache: Cache, clock: Clock, *, leads: Callable[[Key], bool] = lambda key: True
    ) -> None:
        self._leads = leads
        self._telemetry = telemetry
        self._cache = cache
        self._clock = clock

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
        statuses = {
            place: rollout.get("status") or {}
            for place, rollout in self._cache.all(ROLLOUT).items()
            if self._leads(Key(*self._owner(place)))
        }
        self._telemetry.show_rollouts(Counter(str(status.get("phase", "Pending")) for status in statuses.values()))
        active = (place for place, status in statuses.items() if status.get("settledAt") is None)
        weights = {place: statuses[place].get("weight") for place in active}
        self._telemetry.show_weights(
            {self._owner(place): weight for place, weight in weights.items() if isinstance(weight, int)}
        )

    def _owner(self, place: tuple[str, str]) -> tuple[str, str]:
        """Find whose Rollout it is; one without our label goes by its own name."""
        labels = self._cache.all(ROLLOUT)[place]["metadata"].get("labels") or {}
        return place[0], str(labels.get(MODEL_DEPLOYMENT_LABEL, place[1]))

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
