"""Play one cell in chunks that fit in a cache and in a process of their own; results do not depend on the chunking
of work over processes, because every chunk has a seed of its own."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.closed_loop import run_closed_loop
from serinus.simulation.distribution import DriftWorkload, LatencyWorkload, run_drift, run_latency
from serinus.simulation.judge import Judgement
from serinus.simulation.manifest import play as manifest_play
from serinus.simulation.manifest.traffic import Scenario
from serinus.simulation.peers import PEERS
from serinus.simulation.ramp import run_ramp, serinus_method
from serinus.simulation.scalars import ScalarWorkload, run_scalars
from serinus.simulation.tables import Cell
from serinus.simulation.timed import TimedWorkload, run_timed
from serinus.simulation.whole_path import WholePathWorkload, run_whole_path

CHUNK = {"latency": 125, "path": 10, "ramp": 1000, "timed": 50, "other": 500}


@dataclass(frozen=True)
class Played:
    """Per rollout: seconds to the revert (inf = none), promoted, wrong answers, seconds to either verdict, [R].

    Of whole policies also: reverted after 100 %, in the guard window.
    """

    reverted_s: Floats
    promoted: Bools
    wrong: Floats
    decided_s: Floats
    in_guard: Bools = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    @property
    def runs(self) -> int:
        """R."""
        return int(self.reverted_s.size)

    @property
    def reverted_percent(self) -> float:
        """Share of rollouts that were reverted, per cent."""
        return 100.0 * float(np.isfinite(self.reverted_s).mean())

    @property
    def promoted_percent(self) -> float:
        """Share of rollouts that were promoted, per cent."""
        return 100.0 * float(self.promoted.mean())

    def seconds(self, percent: float) -> float | None:
        """Percentile of the time to the verdict, of the rollouts that have one."""
        finite = self.decided_s[np.isfinite(self.decided_s)]
        return float(np.percentile(finite, percent)) if finite.size else None

    def wrong_answers(self, percent: float | None = None) -> float:
        """Mean, or a percentile, of the excess wrong answers."""
        return float(self.wrong.mean() if percent is None else np.percentile(self.wrong, percent))


def chunks(cell: Cell) -> list[int]:
    """Numbers of rollouts that are played at a time."""
    kind = "ramp" if cell.loop is None else "other"
    if isinstance(cell.workload, LatencyWorkload | WholePathWorkload):
        kind = "latency" if isinstance(cell.workload, LatencyWorkload) else "path"
    kind = "timed" if isinstance(cell.workload, TimedWorkload) else kind
    size = CHUNK[kind]
    whole, rest = divmod(cell.runs, size)
    return [size] * whole + ([rest] if rest else [])


def seed_of(cell: Cell, chunk: int, seed: int) -> int:
    """A seed from the cell's own words, so that adding a row moves no other."""
    words = f"{cell.table}|{cell.label}|{cell.path}|{chunk}|{seed}"
    return zlib.crc32(words.encode())


def play_chunk(cell: Cell, chunk: int, runs: int, seed: int) -> Played:
    """Play one chunk of a cell."""
    own_seed = seed_of(cell, chunk, seed)
    judgement = Judgement(history=cell.path != "conservative", by_pod=cell.path != "gateways")
    if isinstance(cell.workload, Scenario):
        return _play_policy(cell, cell.workload, chunk, runs, own_seed)
    if isinstance(cell.workload, TimedWorkload):
        timed = run_timed(cell.workload, runs, own_seed)
        decided_s = np.minimum(timed.promoted_s, timed.reverted_s)
        return Played(timed.reverted_s, np.isfinite(timed.promoted_s), timed.wrong_answers, decided_s)
    if isinstance(cell.workload, LatencyWorkload):
        result = run_latency(cell.workload, runs, own_seed)
    elif isinstance(cell.workload, WholePathWorkload):
        result = run_whole_path(cell.workload, runs, own_seed)
    elif isinstance(cell.workload, DriftWorkload):
        result = run_drift(cell.workload, runs, own_seed)
    elif isinstance(cell.workload, ScalarWorkload):
        result = run_scalars(cell.workload, runs, own_seed)
    elif cell.loop is not None:
        loop = run_closed_loop(cell.workload, runs, own_seed, judgement, cell.loop)
        reverted_s = np.where(loop.reverted, loop.decided_s, np.inf)
        return Played(reverted_s, loop.promoted, loop.wrong_answers, loop.decided_s)
    else:
        method = serinus_method(judgement) if cell.method == "ours" else PEERS[cell.method]
        result = run_ramp(cell.workload, runs, own_seed, method)
    nothing = np.zeros(runs, dtype=np.bool_)
    return Played(result.reverted_s, nothing, result.wrong_answers, result.reverted_s)


def _play_policy(cell: Cell, scenario: Scenario, chunk: int, runs: int, seed: int) -> Played:
    assert cell.subject is not None
    outcome = manifest_play.play(manifest_play.Job(cell.subject, scenario, runs, seed, chunk))
    decided_s, promoted = np.minimum(outcome.reverted_s, outcome.promoted_s), np.isfinite(outcome.promoted_s)
    in_guard = np.isfinite(outcome.reverted_s) & np.isfinite(outcome.full_s)
    return Played(outcome.reverted_s, promoted, outcome.wrong, decided_s, in_guard)


def join(parts: Sequence[Played]) -> Played:
    """All chunks of a cell together."""
    return Played(
        np.concatenate([part.reverted_s for part in parts]),
        np.concatenate([part.promoted for part in parts]),
        np.concatenate([part.wrong for part in parts]),
        np.concatenate([part.decided_s for part in parts]),
        np.concatenate([part.in_guard for part in parts]),
    )


def play(cell: Cell, seed: int = 1) -> Played:
    """Play a whole cell in this process."""
    return join([play_chunk(cell, chunk, runs, seed) for chunk, runs in enumerate(chunks(cell))])
