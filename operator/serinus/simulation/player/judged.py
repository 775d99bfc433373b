"""One rollout whose weights are told, not decided: each look is judged as the operator judges it."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.status import Phase
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.scope import EVERYBODY
from serinus.core.model.exposure import FULL_WEIGHT, Exposure
from serinus.core.rollout.alone import Span
from serinus.core.rollout.judge import judged, unsafe
from serinus.core.rollout.lives import with_life_begun
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Action, Cause, recorded
from serinus.runtime.ports import Metrics
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.player import sampler_of
from serinus.simulation.player.rollouts import PlayedRollout


class JudgedRollout(PlayedRollout):
    """Moves the clock look by look; `set_weight` begins a stage."""

    def __init__(
        self,
        subject: Subject,
        arms: tuple[Arm, Arm],
        metrics: Metrics,
        clock: PlayedClock,
        *,
        alone: tuple[Span, ...] = (),
        attempt: int = 1,
        rollback: bool = False,
    ) -> None:
        super().__init__(subject, *arms, began=clock.now(), alone=alone)
        which = {"attempt": attempt, "rollback": rollback or None}
        self.plan = replace(self.plan, spec=self.plan.spec.model_copy(update=which))
        self._interval_s, self._clock = subject.interval_s, clock
        self._sampler = sampler_of(metrics, clock, EVERYBODY)

    def set_weight(self, weight: int, at: float) -> None:
        """Begin a stage, as the walk does when it changes the weight."""
        steps = self.plan.steps
        action: Action = "Raised" if weight > self.state.exposure.weight else "Taken"
        step = next((n for n, one in enumerate(steps) if (one.set_weight or 0) > weight), len(steps))
        state = with_life_begun(self.plan, self.state, round(at, 3)) if action == "Raised" else self.state
        self.state = replace(
            state,
            phase=Phase.GUARDING if weight == FULL_WEIGHT else Phase.PROGRESSING,
            step=step,
            exposure=Exposure(weight),
            weight_changed_at=round(at, 3),
            stage_started_at=round(at, 3),
            analysis=self.state.analysis.for_new_stage(),
            assessment=None,
        )
        cause = Cause(RolloutReason.RAISED, f"weight {weight}")
        self.state = recorded(self.plan, self.state, action, cause, round(at, 3))

    async def look(self, at: float) -> Cause | None:
        """Look at a time, and judge; gives why the weight would be taken away, if it would."""
        self._clock.seconds = at
        self._sampler.watch(self.watch)
        await self._sampler.take_looks(self._interval_s)
        await self._sampler.settle()
        seen = self.seen(self._sampler.look(self.key, self.plan.uid))
        self.state = judged(self.plan, self.state, seen, at)
        return unsafe(self.plan, self.state, at)
