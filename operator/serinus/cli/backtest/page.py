"""The output of `serinus backtest`: a sentence, and a line for each past rollout."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serinus.cli.moments import clock_time
from serinus.core.analysis.words import shown_duration
from serinus.core.model.kinds import Json
from serinus.core.model.timestamps import to_rfc3339
from serinus.simulation.backtest.replay import Replayed
from serinus.simulation.manifest.subject import Subject

COLUMNS = ("began", "from", "to", "weights", "looks", "requests", "verdict", "after", "wrong answers", "why")
MOST_SHOWN = 50


def sentence(subject: Subject, replayed: Sequence[Replayed], *, pods: bool) -> str:
    """Say how often the policy would have reverted."""
    reverted = [one for one in replayed if one.reverted]
    if not replayed:
        what = "no pod had traffic for as long as a rollout takes" if pods else "no revision changed in that time range"
        return f"{subject.namespace}/{subject.name}: {what}."
    if pods:
        odds = (
            f"fewer than 1 of {len(replayed) / 3:.0f}" if not reverted else f"1 of {len(replayed) / len(reverted):.3g}"
        )
        return (
            f"One revision compared with itself, pod by pod, {len(replayed)} times: the policy would have reverted "
            f"{len(reverted)} by mistake ({odds})."
        )
    return f"Of {len(replayed)} past rollouts the policy would have reverted {len(reverted)}{_why(reverted)}."


def _why(reverted: Sequence[Replayed]) -> str:
    counted = Counter(one.reason for one in reverted)
    return f" ({', '.join(f'{reason} {count}' for reason, count in counted.most_common())})" if counted else ""


def page(subject: Subject, replayed: Sequence[Replayed], told: str) -> RenderableType:
    """Lay out the whole answer; of very many the reverted ones first."""
    shown = sorted(replayed, key=lambda one: not one.reverted)[:MOST_SHOWN]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for column in COLUMNS:
        table.add_column(column, no_wrap=column != "why")
    for one in sorted(shown, key=lambda one: one.started):
        table.add_row(*(Text(cell) for cell in _cells(one)), style="red" if one.reverted else "")
    more = len(replayed) - len(shown)
    rest = f"and {more} more, not reverted" if more else ""
    title = Text(f"{subject.namespace}/{subject.name}", style="bold")
    parts: list[RenderableType] = [title, Text(told), Text(""), table, Text(rest, style="dim")]
    return Group(*(parts if replayed else parts[:2]))


def _cells(one: Replayed) -> tuple[str, ...]:
    after = one.reverted_at - one.started if one.reverted_at is not None else None
    return (
        clock_time(to_rfc3339(one.started)),
        one.stable,
        one.canary,
        ", ".join(str(weight) for weight in one.weights) or "-",
        str(one.looks),
        f"{one.requests:.0f}",
        "Reverted" if one.reverted else str(one.last or "-"),
        "-" if after is None else shown_duration(after),
        f"{max(one.wrong, 0.0):.0f}",
        f"{one.reason}: {one.message}",
    )


def written(subject: Subject, replayed: Sequence[Replayed], told: str) -> str:
    """Write JSON; the keys are a contract (docs/simulate.md)."""
    answer = {
        "namespace": subject.namespace,
        "name": subject.name,
        "sentence": told,
        "rollouts": [_row(one) for one in replayed],
    }
    return json.dumps(answer, indent=2, ensure_ascii=False)


def _row(one: Replayed) -> Json:
    return {
        "from": one.stable,
        "to": one.canary,
        "startedAt": to_rfc3339(one.started),
        "endedAt": to_rfc3339(one.ended),
        "weights": list(one.weights),
        "looks": one.looks,
        "requests": round(one.requests),
        "reverted": one.reverted,
        "revertedAt": None if one.reverted_at is None else to_rfc3339(one.reverted_at),
        "verdict": str(one.last) if one.last else None,
        "reason": one.reason,
        "metric": one.metric,
        "message": one.message,
        "wrongAnswers": round(max(one.wrong, 0.0), 1),
        "reasons": dict(one.reasons),
    }
