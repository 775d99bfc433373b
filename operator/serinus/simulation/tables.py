"""The rows of the tables in docs/statistics-results.md: what is played, and the numbers that they are held against.

`Reference` holds the published numbers (STATISTICS 4): a cell is good within 1.3 times the median, 1.5 times the 95th
percentile and the wrong answers. Tests play a part of the same cells with fewer rollouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from serinus.simulation.closed_loop import LoopPolicy
from serinus.simulation.distribution import DriftWorkload, LatencyWorkload
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.manifest.traffic import Scenario
from serinus.simulation.scalars import ScalarNoise, ScalarWorkload
from serinus.simulation.timed import TimedWorkload
from serinus.simulation.traffic import NOISES, ErrorWorkload, Noise
from serinus.simulation.whole_path import WholePathWorkload

Path = Literal["history", "gateways", "conservative", "gateway halves"]
PATHS: Final[tuple[Path, ...]] = ("history", "gateways", "conservative")
"""With history by halves of the pods, with that of a gateway's series, and without."""
LEVELS: Final = (1.0, 10.0, 100.0, 1000.0)

MEDIAN_FACTOR: Final = 1.3
P95_FACTOR: Final = 1.5
WRONG_FACTOR: Final = 1.5


@dataclass(frozen=True)
class Reference:
    """Published numbers of a cell; None where there is none. Times in seconds, wrong answers as a mean."""

    median_s: float | None = None
    p95_s: float | None = None
    wrong: float | None = None
    reverted: float | None = None
    most_reverted: float | None = None
    most_promoted: float | None = None
    latest_s: tuple[float, float] | None = None
    """Longest median and 95th percentile of the time to 100 %."""


@dataclass(frozen=True)
class Cell:
    """One row: a workload, how it is judged, how often it is played."""

    table: str
    label: str
    workload: (
        ErrorWorkload | LatencyWorkload | DriftWorkload | ScalarWorkload | Scenario | TimedWorkload | WholePathWorkload
    )
    runs: int
    path: Path = "history"
    method: str = "ours"
    loop: LoopPolicy | None = None
    reference: Reference = Reference()
    subject: Subject | None = None
    """The whole policy that a `Scenario` is played against."""


WANDER_MOST: Final = 3.0
FALSE_REVERT_CELLS: Final[tuple[tuple[Noise, int, float], ...]] = (
    *((noise, 10, 0.005) for noise in NOISES),
    ("wobble", 3, 0.005),
    ("iid", 10, 0.001),
)


def false_reverts(runs: int = 4000) -> Iterator[Cell]:
    """4.1: the same error rate on both sides, seven regimes, four levels of traffic, both paths."""
    for path in PATHS:
        for noise, pods, rate in FALSE_REVERT_CELLS:
            for level in LEVELS:
                name = f"{noise}, 3 pods" if pods == 3 else noise
                most = 2.5 if path != "history" and noise == "sticky" else 1.5
                workload = error_workload(level, rate, rate, noise, path, pods=pods)
                label = f"{name}, {100 * rate:g} %, {level:g} req/s"
                yield Cell("4.1", label, workload, runs, path, reference=Reference(most_reverted=most))
        yield from wandering(path, runs)
    yield from gateway_halves(runs)


def error_workload(
    level: float, stable: float, canary: float, noise: Noise, path: Path, *, pods: int = 10
) -> ErrorWorkload:
    """Errors as the history of a path sees them: whatever a gateway's series tell apart, it is not pods."""
    halves: Literal["pods", "gateways"] = "gateways" if path.startswith("gateway") else "pods"
    return ErrorWorkload(level, stable, canary, noise, pods=pods, halves_of=halves)


def wandering(path: Path, runs: int) -> Iterator[Cell]:
    """Each arm's own rate wanders for minutes: promised where history shows it, and only shown without."""
    reference = Reference() if path == "conservative" else Reference(most_reverted=WANDER_MOST)
    for level in LEVELS:
        workload = error_workload(level, 0.005, 0.005, "wander", path)
        yield Cell("4.1", f"wander, 0.5 %, {level:g} req/s", workload, runs, path, reference=reference)


def gateway_halves(runs: int) -> Iterator[Cell]:
    """What halves by gateway replica alone would be worth: both have the same pods behind them."""
    for noise in ("burst", "wobble", "sticky", "wander"):
        for level in (100.0, 1000.0):
            workload = error_workload(level, 0.005, 0.005, noise, "gateway halves")
            yield Cell("halves", f"{noise}, 0.5 %, {level:g} req/s", workload, runs, "gateway halves")


DETECTION: Final[tuple[tuple[float, float, Noise, float, Reference], ...]] = (
    (0.001, 0.01, "iid", 10, Reference(1440, 1905, 9, 100)),
    (0.001, 0.01, "iid", 100, Reference(612, 780, 7, 100)),
    (0.001, 0.01, "iid", 1000, Reference(75, 170, 8, 100)),
    (0.001, 0.01, "outage", 1000, Reference(85, 255, None, 100)),
    (0.001, 0.01, "burst", 100, Reference(735, 1045, 13, 100)),
    (0.001, 0.01, "burst", 1000, Reference(145, 345, 15, 100)),
    (0.005, 0.01, "iid", 10, Reference(2010, 2366, 72, 17)),
    (0.005, 0.01, "iid", 100, Reference(1315, 1625, 36, 100)),
    (0.005, 0.01, "iid", 1000, Reference(595, 735, 33, 100)),
    (0.005, 0.01, "burst", 1000, Reference(960, 1325, 140, 100)),
    (0.01, 0.1, "iid", 1, Reference(1490, 1991, 11, 100)),
    (0.01, 0.1, "iid", 10, Reference(620, 820, 7, 100)),
    (0.01, 0.1, "iid", 100, Reference(75, 160, 8, 100)),
    (0.01, 0.1, "iid", 1000, Reference(25, 35, 24, 100)),
    (0.01, 0.1, "burst", 1000, Reference(45, 65, 42, 100)),
    (0.001, 0.5, "iid", 1, Reference(630, 810, 4, 100)),
    (0.001, 0.5, "iid", 10, Reference(75, 150, 4, 100)),
    (0.001, 0.5, "iid", 100, Reference(15, 20, 6, 100)),
    (0.001, 0.5, "iid", 1000, Reference(10, 10, 50, 100)),
)


def detection(runs: int = 2000) -> Iterator[Cell]:
    """4.2: a worse canary on the fixed ramp; the published numbers are for history, of equal traffic at gateways."""
    for path in PATHS:
        for stable, canary, noise, level, published in DETECTION:
            workload = error_workload(level, stable, canary, noise, path)
            label = f"{100 * stable:g} → {100 * canary:g} %, {noise}, {level:g} req/s"
            held = path == "history" or (path == "gateways" and noise == "iid")
            yield Cell("4.2", label, workload, runs, path, reference=published if held else Reference())
        late = ErrorWorkload(1000, 0.001, 0.01, harmful_from_s=1500.0)
        reference = Reference(1565, 1570, 142, 100) if path == "history" else Reference()
        yield Cell("4.2", "0.1 → 1 % from minute 25 on, iid, 1000 req/s", late, runs, path, reference=reference)


LATENCY: Final[tuple[tuple[float, str, float, bool, Reference], ...]] = (
    (1.2, "all", 10, False, Reference(1400, 1685)),
    (1.2, "all", 100, False, Reference(675, 795)),
    (1.2, "all", 100, True, Reference(775, 906)),
    (1.2, "all", 1000, False, Reference(330, 470)),
    (1.2, "all", 1000, True, Reference(512, 645)),
    (2.0, "all", 10, False, Reference(402, 620)),
    (2.0, "all", 100, False, Reference(70, 125)),
    (2.0, "all", 100, True, Reference(85, 135)),
    (2.0, "all", 1000, False, Reference(35, 50)),
    (2.0, "all", 1000, True, Reference(45, 70)),
    (1.2, "tail", 100, False, Reference(1290, 1590)),
    (1.2, "tail", 1000, False, Reference(528, 715)),
    (2.0, "tail", 10, False, Reference(1395, 1830)),
    (2.0, "tail", 100, False, Reference(545, 740)),
    (2.0, "tail", 1000, False, Reference(75, 150)),
)


def latency(runs: int = 1000) -> Iterator[Cell]:
    """4.3: a slower canary, and an equal one under quiet and noisy latency."""
    for path in PATHS:
        history_s, by_pod = 0.0 if path == "conservative" else 3600.0, path == "history"
        for slower, part, level, noisy, published in LATENCY:
            whose: Literal["all", "tail"] = "all" if part == "all" else "tail"
            workload = LatencyWorkload(level, slower, whose, noisy, history_s=history_s, by_pod=by_pod)
            label = f"{part} x{slower:g}{', noisy' if noisy else ''}, {level:g} req/s"
            held = path == "history" or (path == "gateways" and (slower, part, noisy) == (2.0, "all", False))
            reference = published if held else Reference()
            yield Cell("4.3", label, workload, runs // 2, path, reference=reference)
        for noisy in (False, True):
            for level in LEVELS:
                workload = LatencyWorkload(level, 1.0, "all", noisy, history_s=history_s, by_pod=by_pod)
                label = f"equal{', noisy' if noisy else ''}, {level:g} req/s"
                yield Cell("4.3", label, workload, runs, path, reference=Reference(most_reverted=1.5))


DRIFT: Final[tuple[tuple[float, float, Reference], ...]] = (
    (0.15, 10, Reference(2095, reverted=59)),
    (0.15, 100, Reference(1205, reverted=100)),
    (0.15, 1000, Reference(355, reverted=100)),
    (0.25, 10, Reference(1435, reverted=100)),
    (0.25, 100, Reference(665, reverted=100)),
    (0.25, 1000, Reference(100, reverted=100)),
    (0.5, 10, Reference(1260, reverted=100)),
    (0.5, 100, Reference(495, reverted=100)),
    (0.5, 1000, Reference(55, reverted=100)),
)


def drift(runs: int = 2000) -> Iterator[Cell]:
    """4.4: ten decile bins; wrong answers are the canary's requests until the revert."""
    for psi in (0.0, 0.05, 0.1):
        for level in (10.0, 100.0, 1000.0):
            for shape in ("smooth", "one-bin"):
                for cluster in (1, 5):
                    workload = DriftWorkload(level, psi, "smooth" if shape == "smooth" else "one-bin", cluster)
                    label = f"PSI {psi:g}, {shape}, clusters of {cluster}, {level:g} req/s"
                    yield Cell(
                        "4.4", label, workload, runs, reference=Reference(most_reverted=0.1 if psi < 0.1 else 1.0)
                    )
    for psi, level, reference in DRIFT:
        label = f"PSI {psi:g}, smooth, clusters of 1, {level:g} req/s"
        yield Cell("4.4", label, DriftWorkload(level, psi), runs // 4, reference=reference)
    yield Cell("4.4", "PSI 0.25, smooth, clusters of 5, 1000 req/s", DriftWorkload(1000, 0.25, cluster=5), runs // 4)


SCALARS: Final[tuple[tuple[ScalarNoise, float, Reference], ...]] = (
    ("gauss", 0.0, Reference(most_reverted=1.5)),
    ("gauss", 1.0, Reference(1920, reverted=44)),
    ("gauss", 2.0, Reference(780, reverted=100)),
    ("gauss", 4.0, Reference(300, reverted=100)),
    ("t3", 0.0, Reference(most_reverted=1.5)),
    ("t3", 2.0, Reference(660, reverted=100)),
    ("t3", 4.0, Reference(240, reverted=100)),
    ("lognormal", 0.0, Reference(most_reverted=1.5)),
    ("lognormal", 2.0, Reference(600, reverted=100)),
    ("ar0.5", 0.0, Reference(most_reverted=1.5)),
    ("ar0.5", 2.0, Reference(1560, reverted=73)),
    ("ar0.5", 4.0, Reference(600, reverted=100)),
    ("ar0.8", 0.0, Reference(most_reverted=1.5)),
    ("ar0.8", 4.0, Reference(1440, reverted=85)),
)


def scalars(runs: int = 1000) -> Iterator[Cell]:
    """4.5: 40 blocks of a minute."""
    for noise, harm, reference in SCALARS:
        yield Cell("4.5", f"{noise}, {harm:g} sd", ScalarWorkload(noise, harm), runs, reference=reference)


GOOD: Final[tuple[tuple[float, float, Noise, float, float, int], ...]] = (
    # rate, req/s, noise, published median, longest hours, part of the rollouts
    (0.001, 1, "iid", 24840, 12, 8),
    (0.001, 10, "iid", 2550, 6, 2),
    (0.001, 100, "iid", 310, 6, 1),
    (0.001, 1000, "iid", 240, 6, 1),
    (0.005, 10, "iid", 5960, 6, 4),
    (0.005, 100, "iid", 650, 6, 1),
    (0.005, 1000, "iid", 240, 6, 1),
    (0.001, 10, "burst", 11015, 6, 4),
    (0.001, 100, "burst", 2100, 6, 4),
    (0.001, 1000, "burst", 300, 6, 1),
    (0.005, 100, "burst", 5130, 6, 4),
    (0.005, 1000, "burst", 620, 6, 1),
)
BAD: Final[tuple[tuple[float, float, Noise, float, float, float], ...]] = (
    # stable, canary, noise, req/s, published median seconds, published median wrong answers
    (0.001, 0.01, "iid", 10, 2042, 6),
    (0.001, 0.01, "iid", 100, 225, 7),
    (0.001, 0.01, "iid", 1000, 70, 8),
    (0.005, 0.01, "iid", 100, 648, 37),
    (0.005, 0.01, "iid", 1000, 160, 55),
    (0.01, 0.1, "iid", 10, 672, 6),
    (0.01, 0.1, "iid", 100, 75, 7),
    (0.01, 0.1, "iid", 1000, 25, 23),
    (0.001, 0.5, "iid", 10, 65, 3),
    (0.001, 0.5, "iid", 100, 15, 6),
    (0.001, 0.5, "iid", 1000, 10, 50),
    (0.001, 0.01, "burst", 100, 725, 9),
    (0.001, 0.01, "burst", 1000, 115, 15),
    (0.005, 0.01, "burst", 1000, 450, 191),
    (0.01, 0.1, "burst", 100, 165, 12),
    (0.01, 0.1, "burst", 1000, 45, 41),
    (0.001, 0.5, "burst", 100, 20, 7),
    (0.001, 0.5, "burst", 1000, 15, 70),
)
LATE: Final[tuple[tuple[Noise, float, float, float], ...]] = (
    ("iid", 100, 210, 18),
    ("iid", 1000, 150, 145),
    ("burst", 1000, 205, 204),
)


def closed_loop(runs: int = 2000) -> Iterator[Cell]:
    """4.6: the verdict moves the weight."""
    for path in ("history", "conservative"):
        for rate, level, noise, median, hours, part in GOOD:
            reference = Reference(median) if path == "history" else Reference()
            label = f"good {100 * rate:g} %, {noise}, {level:g} req/s"
            loop = LoopPolicy(longest_s=3600.0 * hours)
            yield Cell(
                "4.6",
                label,
                ErrorWorkload(level, rate, rate, noise),
                runs // part,
                path,
                loop=loop,
                reference=reference,
            )
        for stable, canary, noise, level, median, wrong in BAD:
            reference = Reference(median, wrong=wrong) if path == "history" else Reference()
            label = f"{100 * stable:g} → {100 * canary:g} %, {noise}, {level:g} req/s"
            workload = ErrorWorkload(level, stable, canary, noise)
            yield Cell("4.6", label, workload, runs // 4, path, loop=LoopPolicy(), reference=reference)
        for noise, level, median, wrong in LATE:
            reference = Reference(median, wrong=wrong) if path == "history" else Reference()
            workload = ErrorWorkload(level, 0.001, 0.02, noise, harmful_from_weight=0.25)
            label = f"0.1 → 2 % from 25 % weight on, {noise}, {level:g} req/s"
            yield Cell("4.6", label, workload, runs // 2, path, loop=LoopPolicy(), reference=reference)


WHOLE_PATH: Final[tuple[tuple[str, WholePathWorkload, Reference], ...]] = (
    ("0.1 → 1 %, 100 req/s", WholePathWorkload(100, 0.001, 0.01), Reference(612)),
    ("0.1 → 1 %, 1000 req/s", WholePathWorkload(1000, 0.001, 0.01), Reference(75)),
    ("1 → 10 %, 100 req/s", WholePathWorkload(100, 0.01, 0.1), Reference(75)),
    ("1 → 10 %, 1000 req/s", WholePathWorkload(1000, 0.01, 0.1), Reference(25)),
    ("0.1 → 50 %, 100 req/s", WholePathWorkload(100, 0.001, 0.5), Reference(15)),
    ("0.1 → 50 %, 1000 req/s", WholePathWorkload(1000, 0.001, 0.5), Reference(10)),
    ("p99 doubled, 100 req/s", WholePathWorkload(100, 0.001, 0.001, slower=2.0), Reference(70)),
    ("p99 doubled, 1000 req/s", WholePathWorkload(1000, 0.001, 0.001, slower=2.0), Reference(35)),
    ("equal, 0.5 %, 1000 req/s", WholePathWorkload(1000, 0.005, 0.005), Reference(most_reverted=1.5)),
)


def whole_path(runs: int = 200) -> Iterator[Cell]:
    """An hour of a gateway's series before the rollout, and then every step that the operator takes."""
    for label, workload, reference in WHOLE_PATH:
        yield Cell("path", label, workload, runs, "gateways", reference=reference)


PEER_CELLS: Final[tuple[tuple[Noise, float, float, float], ...]] = (
    ("iid", 1, 0.005, 0.005),
    ("iid", 100, 0.005, 0.005),
    ("burst", 100, 0.005, 0.005),
    ("burst", 1000, 0.005, 0.005),
    ("outage", 100, 0.005, 0.005),
    ("diurnal", 1000, 0.005, 0.005),
    ("iid", 100, 0.001, 0.01),
    ("iid", 1000, 0.001, 0.01),
    ("iid", 100, 0.01, 0.1),
    ("iid", 100, 0.001, 0.5),
)


def peers(names: tuple[str, ...], runs: int = 500) -> Iterator[Cell]:
    """The rules of other tools on the same ramp."""
    for noise, level, stable, canary in PEER_CELLS:
        for name in names:
            label = f"{100 * stable:g} → {100 * canary:g} %, {noise}, {level:g} req/s"
            yield Cell("peers", label, ErrorWorkload(level, stable, canary, noise), runs, method=name)
