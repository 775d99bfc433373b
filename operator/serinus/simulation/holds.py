"""What the default steps with pace Timed promote, and how long an equal version waits for its weight."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from serinus.simulation.tables import Cell, Reference
from serinus.simulation.timed import STEPS, TimedWorkload
from serinus.simulation.traffic import ErrorWorkload, Noise

if TYPE_CHECKING:
    from serinus.simulation.play import Played

TABLE: Final = "timed"
SCRAPES_S: Final = (5.0, 15.0, 30.0)
STABLE_RATE: Final = 0.001
TEN_TIMES: Final = ((30.0, 8.0), (100.0, 1.0), (1000.0, 1.0))
"""(requests a second, most rollouts promoted in per cent) where the canary fails ten times as often."""
TWICE_AS_SLOW: Final = ((60.0, 10.0), (100.0, 5.0), (1000.0, 5.0))
EQUAL: Final[tuple[tuple[Noise, float], ...]] = (
    *(("iid", level) for level in (30.0, 100.0, 1000.0)),
    *((noise, level) for noise in ("burst", "sticky") for level in (100.0, 1000.0)),
)


def cells(runs: int = 500) -> Iterator[Cell]:
    """Ten times the errors, twice the latency, and nothing at all, at three scrape intervals."""
    for scrape_s in SCRAPES_S:
        for level, most in TEN_TIMES:
            workload = TimedWorkload(ErrorWorkload(level, STABLE_RATE, 10.0 * STABLE_RATE), scrape_s=scrape_s)
            yield _cell("0.1 → 1 %", workload, runs, Reference(most_promoted=most))
        for level, most in TWICE_AS_SLOW:
            errors = ErrorWorkload(level, STABLE_RATE, STABLE_RATE)
            for part in ("all", "tail"):
                workload = TimedWorkload(errors, 2.0, part, scrape_s)
                yield _cell(f"p99 x2 ({part})", workload, runs, Reference(most_promoted=most))
        for noise, level in EQUAL:
            workload = TimedWorkload(ErrorWorkload(level, STABLE_RATE, STABLE_RATE, noise), scrape_s=scrape_s)
            yield _cell(f"equal, {noise}", workload, runs, _of_equals(noise, scrape_s))


def _cell(what: str, workload: TimedWorkload, runs: int, reference: Reference) -> Cell:
    label = f"{what}, {workload.errors.requests_per_s:g} req/s, scraped every {workload.scrape_s:g} s"
    return Cell(TABLE, label, workload, runs, "conservative", reference=reference)


def _of_equals(noise: Noise, scrape_s: float) -> Reference:
    """The pauses and two scrape intervals a stage; noise that looks like a fault may cost more."""
    wait = sum(pause + 2.0 * scrape_s for _, pause in STEPS)
    latest = (wait, 1.25 * wait) if noise == "iid" else (1.25 * wait, 6.0 * wait)
    return Reference(most_reverted=2.5 if noise == "sticky" else 1.5, latest_s=latest)


def acceptance(cell: Cell, played: Played) -> list[tuple[str, str, str, bool]]:
    """(what, bound, measured, whether it holds)."""
    reference, found = cell.reference, []
    if reference.most_promoted is not None:
        share = played.promoted_percent
        good = share <= reference.most_promoted
        found.append((f"{cell.label}: promoted", f"<= {reference.most_promoted:g} %", f"{share:.2f} %", good))
    if reference.most_reverted is not None:
        share = played.reverted_percent
        good = share <= reference.most_reverted
        found.append((f"{cell.label}: reverted", f"<= {reference.most_reverted:g} %", f"{share:.2f} %", good))
    for percent, bound in zip((50, 95), reference.latest_s or (), strict=False):
        seconds = played.seconds(percent) or float("inf")
        name = f"{cell.label}: {'median' if percent == 50 else 'p95'} until 100 %"
        found.append((name, f"<= {bound:g} s", f"{seconds:.0f} s", seconds <= bound))
    return found
