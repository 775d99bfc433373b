"""An account as a page for the terminal: the sentence, the numbers of each metric, what is missing, the decisions."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from serinus.api.rollout import DecisionRecord, MetricComparison
from serinus.cli.explain.account import SUSPICIOUS, Account
from serinus.cli.explain.numbers import NOTHING, bounded, counted, limit_of, one_in, rated
from serinus.cli.explain.sentence import missing, sentence, without_test
from serinus.cli.moments import clock_time
from serinus.cli.present import VERDICT_STYLES

LIMIT_STREAM = "/limit"
STATUS_STYLES = {"Worse": "bold red", "Suspicious": "yellow", "CommonCause": "yellow", "NoData": "bold yellow"}


def show(account: Account, screen: Console) -> None:
    """Print the whole answer; the sentence is left for the terminal to fold, so that it is pasted as one line."""
    screen.print(Text(sentence(account), style="bold"), soft_wrap=True)
    screen.print(_numbers(account))


def _numbers(account: Account) -> RenderableType:
    parts: list[RenderableType] = [Text(), _facts(account)]
    if account.comparisons:
        parts += [Text(), _metrics(account)]
    if account.rollout.status.decisions:
        parts += [Text(), Text("Decisions (UTC)", style="dim"), _decisions(account)]
    return Group(*parts)


def _facts(account: Account) -> Table:
    facts = Table.grid(padding=(0, 2))
    status = account.rollout.status
    facts.add_row("Rollout", f"{account.rollout.name}  {status.phase}  {status.reason or ''}")
    facts.add_row("Judged by", _mode(account))
    for metric in account.rollout.spec.analysis.metrics:
        needs = f"  (from {metric.min_samples} requests on)" if metric.min_samples else ""
        facts.add_row("Limit", f"{metric.name}  {limit_of(metric)}{needs}")
    if account.evidence is not None:
        facts.add_row("Evidence", _evidence(account.evidence, account.reverts_at))
    if text := missing(account):
        facts.add_row("Missing", text)
    return facts


def _mode(account: Account) -> str:
    if not account.tests:
        return without_test(account)
    return f"a sequential test that reverts at {one_in(account.reverts_at)} by chance; limits are guardrails beside it"


def _evidence(evidence: float, reverts_at: float) -> str:
    against = f"{one_in(evidence)} by chance" if evidence >= 1.5 else "none against it"
    return f"{against}, over all metrics  ({one_in(SUSPICIOUS)} holds, {one_in(reverts_at)} reverts)"


def _metrics(account: Account) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
    for name in ("Metric", "Canary, of requests", "Stable, of requests", "Events", "Ratio (bounds)", "Chance", "Says"):
        table.add_column(name, justify="left" if name in {"Metric", "Says"} else "right", overflow="fold")
    for one in account.comparisons:
        table.add_row(*_cells(account, one))
    return table


def _cells(account: Account, one: MetricComparison) -> tuple[str | Text, ...]:
    metric = account.metric(one.metric)
    limit = one.metric.endswith(LIMIT_STREAM)
    return (
        f"{one.metric.removesuffix(LIMIT_STREAM)}, its limit" if limit else one.metric,
        rated(metric, one.rate_canary, one.requests_canary),
        NOTHING if limit else rated(metric, one.rate_stable, one.requests_stable),
        counted(one.events),
        bounded(one.estimate, one.lower, one.upper, percent=limit),
        one_in(one.e_value),
        Text(one.status, style=STATUS_STYLES.get(one.status, "")),
    )


def _decisions(account: Account) -> Table:
    table = Table.grid(padding=(0, 2))
    for record in account.rollout.status.decisions:
        style = VERDICT_STYLES[record.verdict] if record.verdict else ""
        table.add_row(
            "",
            span(record),
            record.action,
            f"{record.weight}%",
            Text(str(record.verdict or ""), style=style),
            record.reason + (f" x{record.count}" if record.count > 1 else ""),
            record.message or "",
        )
    return table


def span(record: DecisionRecord) -> str:
    """When it was decided first and, where that is another second, last."""
    first, last = clock_time(record.first_time), clock_time(record.last_time)
    if first == last:
        return first
    same_day = first[:10] == last[:10]
    return f"{first[:-1]} to {last[11:] if same_day else last}"
