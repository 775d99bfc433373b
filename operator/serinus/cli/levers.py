"""The levers as patches: what a command writes to the newest Rollout, or why it makes no sense now.

A lever without effect is refused with the reason: at 3 a.m. a silent "patched" is worse than an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.defaults import policy_of
from serinus.api.parsing import RolloutView
from serinus.api.rollout import Levers, RolloutStatus
from serinus.api.status import Phase, Verdict
from serinus.cli.errors import Refused
from serinus.cli.story import Story
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import exposure_of
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.verbs.await_goal import OUTCOMES, WON, AwaitGoalVerb
from serinus.core.rollout.verbs.steps import read_verb


@dataclass(frozen=True)
class Pull:
    """A lever to set: `spec` is the patch, `said` describes its effect."""

    rollout: str
    spec: Json
    said: str
    expected: Levers
    """What the operator's acknowledgement must hold."""
    hint: str | None = None

    @property
    def patch(self) -> Json:
        return {"spec": self.spec}

    def acknowledged(self, heard: Levers | None) -> bool:
        """Whether the operator has answered this very lever."""
        answer = heard or Levers()
        return all(getattr(answer, lever) == getattr(self.expected, lever) for lever in self.expected.model_fields_set)


def pause(story: Story) -> Pull:
    """Hold the weight where it is; an Unsafe verdict still takes it away."""
    rollout = _running(story)
    return Pull(rollout.name, {"paused": True}, f"holds at {shown_at(rollout.status)}", Levers(paused=True))


def resume(story: Story) -> Pull:
    """Go on after a pause."""
    rollout = _running(story)
    hint = None
    if not rollout.spec.paused:
        hint = "spec.paused was not set; to pass a pause step, use promote"
    return Pull(rollout.name, {"paused": False}, f"continues{_then(rollout)}", Levers(paused=False), hint)


def abort(story: Story) -> Pull:
    """Take the canary's weight away and end the rollout."""
    rollout = _running(story)
    if rollout.spec.from_ is None:
        raise Refused(f"{rollout.name} is the first revision of {story.name}: there is nothing to go back to")
    said = f"goes back to version {rollout.spec.from_.version}"
    return Pull(rollout.name, {"abort": True}, said, Levers(abort=True), _rejected_by(story, rollout))


def _rejected_by(story: Story, rollout: RolloutView) -> str:
    """Say what an abort bars, and what lifts it: the policy may have been edited since the rollout began."""
    edited = policy_of(story.deployment.spec).digest != rollout.spec.policy
    too = ", with the policy that the spec has now as well" if edited else ""
    return f"version {rollout.spec.to.version} is rejected{too}: only retry or another policy tries it again"


def retry(story: Story, token: str) -> Pull:
    """Try the rejected revision once more; `token` is a text that no earlier retry carried."""
    newest = _newest(story)
    phase = newest.status.phase
    if phase not in {Phase.REVERTED, Phase.ABORTED}:
        raise Refused(f"{newest.name} is {phase}: only a Reverted or Aborted rollout can be retried")
    if story.active is not None:
        raise Refused(f"{newest.name} still has {shown_at(newest.status)}: retry once it is 0")
    if newest.status.reason == RolloutReason.GROUP_REVERTED:
        raise Refused(f"{newest.name} is not rejected, it went back with its group: {newest.status.message}")
    stalled = story.condition("Stalled")
    if stalled is not None and stalled.reason != "RevisionRejected":
        asks = (
            f"{stalled.reason}: {stalled.message}" if stalled.status == "True" else "the spec has another version now"
        )
        raise Refused(f"{newest.name} cannot be retried: {asks}")
    said = f"tries version {newest.spec.to.version} again"
    return Pull(newest.name, {"retry": token}, said, Levers(retry=token))


def promote(story: Story, *, through_step: int | None = None, full: bool = False) -> Pull:
    """Skip the pause that it stands in, all pauses up to a step, or go to 100 percent; a group goes together."""
    rollout = _running(story)
    if rollout.status.phase is Phase.GUARDING:
        raise Refused(f"{rollout.name} is already at 100%, in its guard window of {rollout.spec.guard.duration}")
    hint = "spec.paused is set and still holds it: resume it, too" if rollout.spec.paused else None
    if full:
        _not_unsafe(rollout)
        spec = {"promote": {"full": True, "throughStep": None}}
        said = f"{_as_far(story)}{_although(rollout)}{_together(story, 'promote --full')}"
        return Pull(rollout.name, spec, said, _promoted(full=True), hint)
    if rollout.spec.from_ is None:
        raise Refused(f"{rollout.name} is the first revision: it goes to 100% when it is ready")
    if rollout.spec.promote and rollout.spec.promote.full:
        raise Refused(f"{rollout.name} is already promoted to 100%: {rollout.status.message or 'it is on its way'}")
    step = _pause_to_skip(story, rollout) if through_step is None else _reachable(rollout, through_step)
    passed = _although(rollout) if step > rollout.status.step else ""
    said = f"{_skips(rollout, step)}{passed}{_together(story, 'promote')}"
    skip: Json = {"promote": {"full": None, "throughStep": step}}
    return Pull(rollout.name, skip, said, _promoted(through_step=step), hint)


def _promoted(*, through_step: int | None = None, full: bool | None = None) -> Levers:
    return Levers.parse({"promote": {"throughStep": through_step, "full": full}})


def _skips(rollout: RolloutView, step: int) -> str:
    """Say what a promotion leads to; of a switch, whom it concerns."""
    skipped, next_one = f"step {step} of {_steps(rollout)}", rollout.spec.strategy.canary.steps[step : step + 1]
    if rollout.status.weight == 0 and any(one.set_weight == FULL_WEIGHT for one in next_one):
        return f"switches everybody to version {rollout.spec.to.version} (skips the pause, {skipped})"
    return f"skips pauses through {skipped}"


def _as_far(story: Story) -> str:
    return "goes as far as the rest of its group" if story.companions else "goes to 100%"


def _together(story: Story, command: str) -> str:
    """Say who must be promoted, too: no member takes a step that another may not."""
    return f"; {command} {' and '.join(story.companions)}, too" if story.companions else ""


def _pause_to_skip(story: Story, rollout: RolloutView) -> int:
    """The number of the pause step that it stands in, as the STEP column counts."""
    index, steps = rollout.status.step, rollout.spec.strategy.canary.steps
    step = steps[index] if index < len(steps) else None
    decided = _decided(rollout)
    won = rollout.status.reason == RolloutReason.AWAITING_PROMOTION or (
        decided is not None and decided[1] is RolloutReason.CANARY_WON
    )
    won = won and step is not None and step.await_goal is not None
    if step is not None and (step.pause is not None or won):
        return index + 1
    why = rollout.status.message or rollout.status.reason or rollout.status.phase
    raise Refused(
        f"{rollout.name} is not in a pause: {why}; --full {_as_far(story)}{'' if story.companions else ' anyway'}"
    )


def _decided(rollout: RolloutView) -> tuple[AwaitGoalVerb, RolloutReason] | None:
    """Tell the goal that it is at, and how it was decided; None without a goal, or while it is open."""
    index, steps = rollout.status.step, rollout.spec.strategy.canary.steps
    verb = read_verb(steps[index]) if index < len(steps) else None
    outcome = OUTCOMES.get(rollout.status.goal.outcome or "") if rollout.status.goal is not None else None
    return (verb, outcome) if isinstance(verb, AwaitGoalVerb) and outcome is not None else None


def _then(rollout: RolloutView) -> str:
    """Say what a decided goal does as soon as nothing holds it."""
    decided = _decided(rollout)
    return f": {WON[decided[1]]}, so {decided[0].follows(decided[1])}" if decided else ""


def _although(rollout: RolloutView) -> str:
    """Say which decision of a goal is passed over."""
    decided = _decided(rollout)
    return f", although {WON[decided[1]]}" if decided and decided[0].ends_with(decided[1]) else ""


def _reachable(rollout: RolloutView, step: int) -> int:
    steps, at = _steps(rollout), rollout.status.step + 1
    if step > steps:
        raise Refused(f"{rollout.name} has {steps} steps; there is no step {step}")
    if step < at:
        raise Refused(f"{rollout.name} is already past step {step}, at step {rollout.status.step_text}")
    return step


def _steps(rollout: RolloutView) -> int:
    return len(rollout.spec.strategy.canary.steps)


def _not_unsafe(rollout: RolloutView) -> None:
    if rollout.status.verdict is Verdict.UNSAFE:
        raise Refused(f"{rollout.name} is Unsafe ({rollout.status.message}): no promotion overrides that")


def _newest(story: Story) -> RolloutView:
    if story.newest is None:
        raise Refused(f"{story.name} has no Rollout yet{_because(story)}")
    return story.newest


def _running(story: Story) -> RolloutView:
    """The rollout that levers act on; refused when it has ended."""
    newest = _newest(story)
    if newest.status.phase.ended:
        raise Refused(f"{story.name} has no rollout in progress: the newest, {newest.name}, is {newest.status.phase}")
    return newest


def _because(story: Story) -> str:
    first = next(iter(story.unwell()), None)
    return f": {first.message}" if first else ": is the operator running?"


def shown_at(status: RolloutStatus) -> str:
    """Say what the canary is shown, in the words of a lever's answer."""
    shown = exposure_of(status)
    return f"weight {shown.weight}" if shown.by_weight_alone else shown.text
