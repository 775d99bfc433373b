"""Which past changes of revision a record shows: which revision came beside which, and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.simulation.backtest.record import Activity

GAP_S: Final = 300.0
"""A revision without requests for so long has ended."""
LONGEST_S: Final = 6 * 3600.0
BESIDE_S: Final = 60.0
"""Stable is who serves in the first seconds of a rollout: what was promoted a minute ago, and not what it replaced."""


@dataclass(frozen=True)
class Trial:
    """One past rollout: between which two, and from the canary's first request on until its last.

    `weight` is fixed, or None: read off the traffic.
    """

    stable: str
    canary: str
    started: float
    ended: float
    weight: int | None = None


def trials(activity: Activity, guard_s: float) -> tuple[Trial, ...]:
    """Find the times at which a revision began to get requests while another one served."""
    busy = {name: sorted(at for at, totals in line.items() if totals.requests > 0) for name, line in activity.items()}
    begins = min((times[0] for times in busy.values() if times), default=0.0)
    found = []
    for canary, times in busy.items():
        for started, ended in _episodes(times):
            stable = _serving(activity, canary, started)
            if stable is not None and started > begins:
                # A rollout lasts until the older revision has no more requests, and for its guard window.
                last = max((at for at in busy[stable] if at <= ended), default=started)
                found.append(Trial(stable, canary, started, min(ended, last + guard_s, started + LONGEST_S)))
    return tuple(sorted(found, key=lambda trial: (trial.started, trial.canary)))


def alone_before(activity: Activity, trial: Trial, guard_s: float) -> tuple[tuple[float, float], ...]:
    """Tell since when stable had all requests to itself, as far as the record shows; its own guard is not counted."""
    first = min((at for at in activity.get(trial.stable, {}) if at < trial.started), default=trial.started)
    others = (
        at + guard_s
        for name, line in activity.items()
        if name != trial.stable
        for at, totals in line.items()
        if at < trial.started and totals.requests > 0
    )
    since = max(others, default=first)
    return ((since, trial.started),) if since < trial.started else ()


def _episodes(times: Sequence[float]) -> Iterator[tuple[float, float]]:
    first = previous = None
    for at in times:
        if first is None or previous is None:
            first = at
        elif at - previous > GAP_S:
            yield first, previous
            first = at
        previous = at
    if first is not None and previous is not None:
        yield first, previous


def _serving(activity: Activity, canary: str, started: float) -> str | None:
    """Name the other revision that had most of the requests beside it, or else just before it."""
    for since, until in ((started - 0.001, started + BESIDE_S), (started - GAP_S, started)):
        served = {
            name: sum(totals.requests for at, totals in line.items() if since < at <= until)
            for name, line in activity.items()
            if name != canary
        }
        stable = max(served, key=lambda name: served[name], default=None)
        if stable is not None and served[stable] > 0:
            return stable
    return None
