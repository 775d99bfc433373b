"""An account for the terminal: the sentence, each metric's numbers, what is still needed, the decisions."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from serinus.api.policy import Metric
from serinus.api.rollout import MetricComparison
from serinus.cli.decisions import Decisions
from serinus.cli.explain.account import SUSPICIOUS, Account
from serinus.cli.explain.numbers import IF_EQUAL, NOTHING, bounded, counted, limit_of, odds, one_in, rated
from serinus.cli.explain.sentence import missing, sentence, without_test
from serinus.cli.watching import put
from serinus.core.analysis.words import what_counts
from serinus.core.model.assessment import Reason

LIMIT_STREAM = "/limit"
NO_EVIDENCE = {
    "": "none against the canary",
    Reason.LOOKS_WORSE: "not enough to revert yet (a quicker test holds the weight meanwhile)",
    Reason.LIMIT_EXCEEDED: "not needed (a fixed limit decided first)",
}
STATUS_STYLES = {"Worse": "bold red", "Suspicious": "yellow", "CommonCause": "yellow", "NoData": "bold yellow"}


def show(account: Account, screen: Console) -> None:
    """Print the whole answer; the sentence is left for the terminal to fold, so that it is pasted as one line."""
    screen.print(Text(sentence(account), style="bold"), soft_wrap=True)
    put(screen, _numbers(account))


def _numbers(account: Account) -> RenderableType:
    parts: list[RenderableType] = [Text(), _facts(account)]
    if account.comparisons:
        parts += [Text(), _metrics(account)]
    if account.rollout.status.decisions:
        parts += [Text(), Text("Decisions (UTC)", style="dim"), Decisions(account.rollout.status.decisions)]
    return Group(*parts)


def _facts(account: Account) -> Table:
    facts = Table.grid(padding=(0, 2))
    status = account.rollout.status
    facts.add_row("Rollout", f"{account.rollout.name}  {status.phase}  {status.reason or ''}")
    facts.add_row("Judged by", _mode(account))
    for metric in account.rollout.spec.analysis.metrics:
        needs = f"  (once there are {metric.least_samples} {what_counts(metric)})" if metric.least_samples else ""
        limit = limit_of(metric) or "none: compared with stable only"
        alone = "  (more is better: not compared with stable)" if metric.is_ratio and not metric.bounds.max else ""
        if metric.name == account.goal:
            own = f"{limit_of(metric)}{needs}" if limit_of(metric) else "none"
            facts.add_row("Limit", f"{metric.name}  {own}  (compared by the goal's test)")
            continue
        facts.add_row("Limit", f"{metric.name}  {limit}{needs}{alone}")
    if status.goal is not None:
        facts.add_row("Goal", Text(status.goal.text))
    if account.evidence is not None:
        facts.add_row("Evidence", _evidence(account))
    if account.calibration:
        facts.add_row("History", Text(account.calibration))
    if text := missing(account):
        facts.add_row("Missing", text)
    if account.age:
        facts.add_row("Numbers", Text(account.age, style="yellow"))
    return facts


def _mode(account: Account) -> str:
    if not account.tests:
        return without_test(account)
    if not account.compares:
        return "fixed limits, and a sequential test of each: no step splits or copies the requests, so none compares"
    return f"a sequential test that reverts at {odds(account.reverts_at)}, with fixed limits as guardrails"


def _evidence(account: Account) -> str:
    """Say what the test that reverts knows, and what has decided where it knows nothing."""
    evidence = account.evidence or 1.0
    decided = account.rollout.status.reason or ""
    against = f"{odds(evidence)} {IF_EQUAL}" if evidence >= 1.5 else NO_EVIDENCE.get(decided, NO_EVIDENCE[""])
    return f"{against}, over all metrics  ({one_in(SUSPICIOUS)} holds, {one_in(account.reverts_at)} reverts)"


def _metrics(account: Account) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in ("Metric", "Canary", "Stable", "Events", "Ratio (bounds)", "Odds", "Status"):
        table.add_column(name, justify="left" if name in {"Metric", "Status"} else "right", overflow="fold")
    for one in account.comparisons:
        table.add_row(*_cells(account, one))
    return table


def _cells(account: Account, one: MetricComparison) -> tuple[str | Text, ...]:
    metric = account.metric(one.metric)
    limit = one.metric.endswith(LIMIT_STREAM)
    return (
        f"{one.metric.removesuffix(LIMIT_STREAM)} vs limit" if limit else one.metric,
        rated(metric, one.rate_canary, one.requests_canary),
        NOTHING if limit else rated(metric, one.rate_stable, one.requests_stable),
        counted(one.events),
        ratio_of(metric, one),
        one_in(one.e_value),
        Text(one.status, style=STATUS_STYLES.get(one.status, "")),
    )


def ratio_of(metric: Metric | None, one: MetricComparison) -> str:
    """Write the ratio of both rates; without one error on either side there is none, whatever the estimate's prior."""
    limit = one.metric.endswith(LIMIT_STREAM)
    if metric is not None and (metric.preset is not None or metric.is_ratio) and not limit and one.events == 0:
        return NOTHING
    return bounded(one.estimate, one.lower, one.upper, percent=limit)
