"""The output of `serinus simulate` for the terminal: a sentence, a table, what to change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serinus.cli.simulate.options import SimulateOptions
from serinus.core.analysis.words import shown_duration

if TYPE_CHECKING:
    from serinus.simulation.manifest.odds import Odds, Spread
    from serinus.simulation.manifest.subject import Subject

NOISE_NAMES = {"burst": "storms"}
COLUMNS = (
    "version", "noise", "rule", "reverted", "by", "promoted", "held", "reverted after",
    "wrong answers", "100 % after",
)  # fmt: skip


def page(
    subject: Subject, options: SimulateOptions, odds: Sequence[Odds], told: str, advised: Sequence[str]
) -> RenderableType:
    """Lay out the whole answer."""
    title = Text.assemble((f"{subject.namespace}/{subject.name}", "bold"), f"  {_policy(subject)}")
    notes = [Text(f"- {one}", style="yellow") for one in advised]
    footer = Text(
        f"{options.runs} rollouts per row, seed {options.seed}; pairs are median and 95th percentile; "
        "held: neither reverted nor promoted by the end",
        style="dim",
    )
    return Group(title, Text(told), Text(""), _table(odds), footer, *notes)


def _policy(subject: Subject) -> str:
    analysis = subject.policy.analysis
    weights = ", ".join(str(stage.weight) for stage in subject.stages(0.0))
    return f"{analysis.mode}, pace {subject.pace}, weights {weights} %, evaluated every {analysis.interval}"


def _table(odds: Sequence[Odds]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    for one in odds:
        table.add_row(*(Text(cell) for cell in _cells(one)), style="" if one.rule == odds[0].rule else "dim")
    return table


def _cells(one: Odds) -> tuple[str, ...]:
    scenario = one.scenario
    return (
        scenario.label,
        NOISE_NAMES.get(scenario.noise, scenario.noise),
        one.rule,
        share_of_runs(one.reverted, one.runs),
        _by_metric(one),
        share_of_runs(one.promoted, one.runs),
        share_of_runs(one.held, one.runs),
        _times(one.detected_s),
        f"{one.wrong.median:.0f} / {one.wrong.p95:.0f}" if scenario.canary_rate > scenario.stable_rate else "-",
        _times(one.full_s),
    )


def _by_metric(one: Odds) -> str:
    """Name the metric that reverted it; of several, with their shares of the reverts."""
    if len(one.by_metric) < 2:
        return next(iter(one.by_metric), "-")
    return ", ".join(f"{name} {100 * count / one.reverted:.0f} %" for name, count in one.by_metric.items())


def share_of_runs(count: int, runs: int) -> str:
    """Write a share of the rollouts; of what never happened, what it is at most."""
    from serinus.simulation.manifest.sentence import FEWEST_RUNS

    if count == 0:
        return f"0 (< {300 / runs:.2g} %)" if runs >= FEWEST_RUNS else f"0 of {runs}"
    return f"{100 * count / runs:.3g} %"


def _times(times: Spread | None) -> str:
    return "-" if times is None else f"{shown_duration(times.median)} / {shown_duration(times.p95)}"
