"""A story for the terminal: stable, canary, the weight, why it is what it is, and what to type next."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serinus.api.group import GroupMembership, MemberStatus
from serinus.api.parsing import RolloutView
from serinus.api.rollout import DecisionRecord, RevisionReference
from serinus.api.status import Phase
from serinus.cli.advice import Advice
from serinus.cli.decisions import VERDICT_STYLES, Decisions
from serinus.cli.moments import ago, as_of, clock_time
from serinus.cli.story import Story, deciding_record, measured_at
from serinus.core.model.exposure import FULL_WEIGHT, NOTHING, Exposure
from serinus.core.rollout.verbs.steps import read_verb

SHOWN_RECORDS = 6
PHASE_STYLES = {
    Phase.SUCCEEDED: "green",
    Phase.REVERTED: "bold red",
    Phase.ABORTED: "bold red",
    Phase.PAUSED: "yellow",
}


def page(story: Story, advised: Iterable[Advice], now: float) -> RenderableType:
    """Lay out the whole answer; `now` in unix seconds."""
    sections = (
        _title(story),
        _facts(story, now),
        _section("Problems", [(one.type, one.reason, one.message) for one in story.unwell()], "red"),
        _section("Waiting for the operator", [(text,) for text in story.unseen()], "yellow"),
        _decisions(story),
        _section("Next", [(one.command, one.effect) for one in advised], "cyan"),
    )
    return Group(*(section for section in sections if section is not None))


def _title(story: Story) -> RenderableType:
    view = story.deployment
    return Text.assemble((f"{view.namespace}/{view.name}", "bold"), f"  model {view.model_name}")


def _facts(story: Story, now: float) -> Table:
    facts = _grid()
    if story.fallback is not None:
        facts.add_row("Fallback", Text.assemble((story.fallback, "bold"), ("  answers all requests", "yellow")))
    facts.add_row("Stable", _stable(story))
    _add_model(facts, story, story.stable)
    if story.deployment.spec.group is not None:
        facts.add_row("Group", _group(story.deployment.spec.group, story.deployment.status.group))
    rollout = story.newest
    if rollout is None:
        return facts
    if story.active is not None or rollout.status.phase is not Phase.SUCCEEDED:
        facts.add_row(_role(story, rollout), _tried(story, rollout))
        _add_model(facts, story, rollout.spec.to)
    facts.add_row("Rollout", _standing(rollout, now))
    if again := story.again(rollout):
        facts.add_row("", Text(again, style="yellow"))
    facts.add_row(*_why(rollout, now))
    if (goal := rollout.status.goal) is not None and goal.text not in (rollout.status.message or ""):
        facts.add_row("Goal", Text(goal.text))
    record = deciding_record(rollout)
    if record is not None and record.metric is not None:
        facts.add_row("", _measured(record))
    return facts


def _stable(story: Story) -> Text:
    if story.stable is None:
        return Text("none yet", style="yellow")
    return _revision(story, story.stable, Exposure(FULL_WEIGHT - story.exposure.weight))


def _add_model(facts: Table, story: Story, revision: RevisionReference | None) -> None:
    """Say which model a revision's pods have fetched, where they have."""
    pods = story.pods(revision.revision) if revision is not None else None
    if pods is not None and pods.digest:
        facts.add_row("", f"{pods.resolved}  {pods.digest}")


def _group(group: GroupMembership, told: MemberStatus | None) -> Text:
    """Say in which release of its group it is, and where it stands there; nothing of a release that is over."""
    current = told if told is not None and told.release == group.release else None
    standing = f"  {current.standing}{f': {current.message}' if current.message else ''}" if current else ""
    return Text.assemble(f"{group.name}  release ", (group.release, "bold"), standing)


def _role(story: Story, rollout: RolloutView) -> str:
    """A first revision is no canary: there is nothing that it could be compared with."""
    if story.active is None:
        return "Tried"
    return "Canary" if rollout.spec.from_ else "Starting"


def _tried(story: Story, rollout: RolloutView) -> Text:
    if story.active is None:
        return Text(f"version {rollout.spec.to.version}  ({rollout.spec.to.revision})")
    share = _share(story, rollout)
    return Text.assemble(_revision(story, rollout.spec.to, story.exposure), f"  {share}" if share else "")


def _share(story: Story, rollout: RolloutView) -> str:
    """Say which share of the requests the canary really had, where users stay where they are."""
    traffic, outlook = story.deployment.spec.traffic, rollout.status.outlook
    if traffic is None or traffic.session_affinity is None or outlook is None or not story.exposure.weight:
        return ""
    most = max(outlook.comparisons, key=lambda one: one.requests_canary + one.requests_stable, default=None)
    both = most.requests_canary + most.requests_stable if most is not None else 0.0
    return f"has had {FULL_WEIGHT * most.requests_canary / both:.0f}% of the requests" if most and both else ""


def _revision(story: Story, revision: RevisionReference, exposure: Exposure) -> Text:
    pods = story.pods(revision.revision)
    ready = f"{pods.ready_replicas} of {pods.replicas} pods ready" if pods else "no pods known"
    lacking = pods is None or pods.ready_replicas < pods.replicas
    return Text.assemble(
        f"version {revision.version}  ({revision.revision})  ",
        (NOTHING.text if story.fallback else exposure.text, "bold"),
        "  ",
        (ready, "yellow" if lacking else ""),
    )


def _standing(rollout: RolloutView, now: float) -> Text:
    status = rollout.status
    phase = (str(status.phase), PHASE_STYLES.get(status.phase, "bold"))
    if status.phase.ended:
        return Text.assemble(f"{rollout.name}  ", phase, f"  {ago(status.finished_at, now)} ago")
    since = f"  for {ago(status.step_started_at, now)}" if status.step_started_at else ""
    return Text.assemble(f"{rollout.name}  ", phase, f"  {_step(rollout)}{since}")


def _step(rollout: RolloutView) -> str:
    """Say the step and its verb: step 2/6 (pause 5m), or step 3/6 (next: setWeight 25)."""
    status, steps = rollout.status, rollout.spec.strategy.canary.steps
    if status.phase is Phase.GUARDING:
        return f"guard window of {rollout.spec.guard.duration} at 100%"
    if rollout.spec.rollback and status.weight < FULL_WEIGHT:
        return "one step back (next: 100%)"
    if status.step >= len(steps):
        return "last step (100%)" if status.weight == FULL_WEIGHT else "after the last step (next: 100%)"
    verb = read_verb(steps[status.step])
    changes = verb.shows(NOTHING) != NOTHING or verb.scale is not None
    return f"step {status.step_text} ({'next: ' if changes else ''}{verb.text})"


def _why(rollout: RolloutView, now: float) -> tuple[str, Text]:
    """The verdict with its reason while there is something to judge; of what ended otherwise, the reason alone."""
    status = rollout.status
    reason = f"{status.reason or ''}{f': {status.message}' if status.message else ''}"
    if status.verdict is None or (status.phase.ended and status.phase is not Phase.REVERTED):
        return "Reason", Text(reason)
    verdict = (str(status.verdict), VERDICT_STYLES[status.verdict])
    age = "" if status.phase.ended else as_of(measured_at(rollout), now)
    return "Verdict", Text.assemble(verdict, f"  {reason}", (f"  ({age})" if age else "", "yellow"))


def _measured(record: DecisionRecord) -> Text:
    """Write the numbers behind a verdict in one line."""
    parts = (
        (record.metric, record.value),
        ("limit", record.limit),
        ("baseline", record.baseline),
        ("samples", record.samples),
        ("at", clock_time(record.last_time)),
    )
    return Text("  ".join(f"{name} {value}" for name, value in parts if value is not None))


def _decisions(story: Story) -> RenderableType | None:
    """The last few decisions of the newest rollout, the newest last."""
    records = story.newest.status.decisions[-SHOWN_RECORDS:] if story.newest else ()
    return Group(Text("Decisions (UTC)", style="dim"), Decisions(records)) if records else None


def _section(title: str, rows: Iterable[tuple[str, ...]], style: str) -> RenderableType | None:
    table = _grid()
    table.add_column()
    for row in rows:
        while len(table.columns) <= len(row):
            # Only the last cell is a sentence, and only sentences are folded.
            table.add_column(no_wrap=len(table.columns) < len(row))
        table.add_row("", *(Text(cell) for cell in row))
    return Group(Text(title, style=style), table) if table.row_count else None


def _grid() -> Table:
    return Table.grid(padding=(0, 2))
