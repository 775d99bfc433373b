"""Reports what a pass did: a log line for each decision, and metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a scrape shows of a Rollout; the weight of one that goes on."""

    owner: Key
    phase: str
    weight: int | None


class Reports:
    """Logs and counts what was decided, and shows what is led: of several replicas each object is one's."""

    def __init__(
        self, telemetry: Telemetry, cache: Cache, clock: Clock, *, leads: Callable[[Key], bool] = lambda key: True
    ) -> None:
        self._leads = leads
        self._telemetry = telemetry
        self._clock = clock
        self._rollouts: dict[Key, _Shown] = {}
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
        led = [known for known in self._rollouts.values() if self._leads(known.owner)]
        self._telemetry.show_rollouts(Counter(known.phase for known in led))
        self._telemetry.show_weights(
            {(known.owner.namespace, known.owner.name): known.weight for known in led if known.weight is not None}
        )

    def _rolled(self, namespace: str, name: str, rollout: Json | None) -> None:
        """Follow what a scrape shows of a Rollout: reading all of them for each would take seconds."""
        place = Key(namespace, name)
        if rollout is None:
            self._rollouts.pop(place, None)
            return
        status = rollout.get("status") or {}
        # One without our label goes by its own name.
        owner = (rollout["metadata"].get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL, name)
        weight = status.get("weight") if status.get("settledAt") is None else None
        phase = intern(str(status.get("phase", "Pending")))
        self._rollouts[place] = _Shown(
            Key(namespace, intern(str(owner))), phase, weight if isinstance(weight, int) else None
        )

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
