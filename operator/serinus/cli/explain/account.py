"""What a Rollout's record says about its decision: what decided, by which number, and what is still needed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from serinus.api.durations import share
from serinus.api.judging import Mode
from serinus.api.parsing import RolloutView, unix_seconds
from serinus.api.policy import Metric
from serinus.api.rollout import DecisionRecord, MetricComparison
from serinus.api.status import Phase
from serinus.cli.errors import Refused
from serinus.cli.moments import as_of
from serinus.cli.story import Story, deciding_record, measured_at
from serinus.core.model.assessment import Reason
from serinus.core.model.exposure import FULL_WEIGHT, NOTHING
from serinus.core.model.timestamps import to_rfc3339
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.verbs.steps import read_verb

SUSPICIOUS = 20.0
DEFAULT_ALPHA = "0.01"


class Decider(StrEnum):
    """What ended a rollout, or who did."""

    GUARDRAIL = "guardrail"
    LIMITS = "limits"
    TEST = "test"
    LIMIT_TEST = "limit test"
    MAX_HOLD = "maxHold"
    BLIND_TIMEOUT = "blindTimeout"
    DEADLINE = "progressDeadlineSeconds"
    PERSON = "person"
    SPEC = "spec"
    GROUP = "group"
    GOAL = "goal"
    WALK = "walk"


_BY_REASON: dict[str, Decider] = {
    Reason.WORSE: Decider.TEST,
    Reason.MAX_HOLD_EXCEEDED: Decider.MAX_HOLD,
    RolloutReason.STABLE_WON: Decider.GOAL,
    RolloutReason.NO_DIFFERENCE: Decider.GOAL,
    RolloutReason.BLIND_TIMEOUT: Decider.BLIND_TIMEOUT,
    RolloutReason.DEADLINE_EXCEEDED: Decider.DEADLINE,
    RolloutReason.ABORT_REQUESTED: Decider.PERSON,
    RolloutReason.NEW_SPEC: Decider.SPEC,
    RolloutReason.SPEC_RESTORED: Decider.SPEC,
    RolloutReason.ENDED_IN_GUARD: Decider.SPEC,
    RolloutReason.GROUP_REVERTED: Decider.GROUP,
    RolloutReason.GROUP_SUPERSEDED: Decider.GROUP,
}


@dataclass(frozen=True)
class Account:
    """One Rollout, read for an explanation."""

    namespace: str
    name: str
    rollout: RolloutView
    now: float | None = None
    """When it is read, in unix seconds; None where nobody asks how old it is."""
    again: str = ""
    """Why it is another attempt at what was rejected, where the policy has changed since."""

    @property
    def age(self) -> str:
        """How old the numbers of a live rollout are, where they are not fresh."""
        if self.now is None or self.rollout.status.phase.ended:
            return ""
        return as_of(measured_at(self.rollout), self.now)

    @property
    def tests(self) -> bool:
        """Whether there is a test: in Threshold mode, or with nothing to compare with, there is none."""
        return self.rollout.spec.analysis.mode is not Mode.THRESHOLD and self.rollout.spec.from_ is not None

    @property
    def compares(self) -> bool:
        """Whether any step gives both versions requests at a time: else only limits are tested."""
        verbs = [read_verb(step) for step in self.rollout.spec.strategy.canary.steps]
        shown = [verb.shows(NOTHING) for verb in verbs]
        return any(0 < one.weight < FULL_WEIGHT or one.mirror for one in shown)

    @property
    def goal(self) -> str | None:
        """The metric that a goal's own test compares."""
        goal = self.rollout.spec.strategy.goal
        return goal.goal.metric if goal else None

    @property
    def reverts_at(self) -> float:
        """The evidence that reverts."""
        return 1.0 / share(self.rollout.spec.analysis.false_revert_rate or DEFAULT_ALPHA)

    @property
    def evidence(self) -> float | None:
        """The evidence over all metrics, as last stored."""
        outlook = self.rollout.status.outlook
        return outlook.evidence if outlook else None

    @property
    def calibration(self) -> str | None:
        """Which history of stable the test has learnt its noise from, or why none."""
        outlook = self.rollout.status.outlook
        return outlook.calibration if outlook else None

    @property
    def comparisons(self) -> tuple[MetricComparison, ...]:
        """What the test knows, metric by metric."""
        outlook = self.rollout.status.outlook
        return outlook.comparisons if outlook else ()

    @property
    def deciding(self) -> DecisionRecord | None:
        """The record that explains where the rollout stands."""
        return deciding_record(self.rollout)

    @property
    def decided_by(self) -> Decider | None:
        """Who ended it; None while it goes on."""
        status = self.rollout.status
        if not status.phase.ended:
            return None
        record = self.deciding
        reason = record.reason if record else status.reason
        if reason == Reason.LIMIT_EXCEEDED:
            return self._by_limit()
        if reason in _BY_REASON:
            return _BY_REASON[reason]
        if status.phase is not Phase.SUCCEEDED:
            return Decider.WALK
        if self._promoted():
            return Decider.PERSON
        return Decider.GOAL if status.goal is not None and status.goal.outcome else Decider.WALK

    @property
    def first_traffic(self) -> str | None:
        """When it got its first weight, as far as the record reaches."""
        status = self.rollout.status
        recorded = (record.first_time for record in status.decisions if record.weight > 0 or record.exposure)
        return next(recorded, status.stage_started_at)

    @property
    def ended(self) -> str | None:
        """When the decision fell."""
        record = self.deciding
        taken = record.first_time if record and record.action == "Taken" else None
        return self.rollout.status.finished_at or taken

    @property
    def highest_weight(self) -> int:
        """The largest share of requests that it had."""
        return max((record.weight for record in self.rollout.status.decisions), default=self.rollout.status.weight)

    @property
    def cohort(self) -> str:
        """The last cohort that it was shown to, as the record has it; empty where there was none."""
        return next((one.exposure for one in reversed(self.rollout.status.decisions) if one.exposure), "")

    @property
    def looked(self) -> str | None:
        """When the numbers were last taken."""
        return measured_at(self.rollout) or self.rollout.status.finished_at

    @property
    def decides_at(self) -> str | None:
        """When the test can decide at the present rate."""
        outlook = self.rollout.status.outlook
        if self.rollout.status.phase.ended or self.looked is None or outlook is None or outlook.eta_seconds is None:
            return None
        return to_rfc3339(unix_seconds(self.looked) + outlook.eta_seconds)

    def metric(self, stream: str) -> Metric | None:
        """The metric of the policy that a stream (name, name/4xx, name/limit) belongs to."""
        name = stream.partition("/")[0]
        return next((one for one in self.rollout.spec.analysis.metrics if one.name == name), None)

    def comparison(self, metric: str | None) -> MetricComparison | None:
        """What the test knows of a metric; of its two error streams the weightier."""
        found = [one for one in self.comparisons if one.metric in {metric, f"{metric}/4xx"}]
        return max(found, key=lambda one: one.e_value, default=None)

    def _by_limit(self) -> Decider:
        """A limit is judged twice: as a literal rule, and by a test; only the test has its evidence."""
        if not self.tests:
            return Decider.LIMITS
        return Decider.LIMIT_TEST if (self.evidence or 0.0) >= self.reverts_at else Decider.GUARDRAIL

    def _promoted(self) -> bool:
        return any(record.reason == RolloutReason.PROMOTED for record in self.rollout.status.decisions)


def account_of(story: Story, rollout: str | None, now: float | None = None) -> Account:
    """Take the newest Rollout, or the one that is named; raises Refused, which names those there are."""
    if not story.rollouts:
        raise Refused(f"{story.name} has no Rollout yet")
    found = next((one for one in story.rollouts if one.name == rollout), None if rollout else story.newest)
    if found is None:
        names = ", ".join(one.name for one in reversed(story.rollouts))
        raise Refused(f"{story.name} has no Rollout {rollout}; its Rollouts are {names}")
    return Account(story.deployment.namespace, story.name, found, now, story.again(found))
