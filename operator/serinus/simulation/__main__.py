"""`python -m serinus.simulation`: play all tables over several processes and write the page of results."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from serinus.simulation import holds, policies, tables
from serinus.simulation.kept import play_kept
from serinus.simulation.peers import PEERS
from serinus.simulation.play import Played, chunks, join, play_chunk
from serinus.simulation.report import acceptance, meets, render

PlayChunk = Callable[[tables.Cell, int, int, int], Played]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when an acceptance bound does not hold."""
    options = _parse(arguments)
    os.nice(options.nice)
    if options.plots is not None:
        return _draw(options.plots, options.seed)
    cells = [cell for cell in _cells(options.scale) if not options.only or cell.table in options.only]
    play = partial(play_kept, options.kept) if options.kept else play_chunk
    rows = list(zip(cells, _play_all(cells, options.workers, options.seed, play), strict=True))
    page = render(rows, seed=options.seed)
    if options.out is None:
        sys.stdout.write(page)
    else:
        options.out.write_text(page, encoding="utf-8")
    outside = [f"{cell.table} {cell.label} ({cell.path})" for cell, played in rows if not meets(cell, played)]
    failed = [what for what, _, _, good in acceptance(rows) if not good]
    for line in (*(f"outside its reference: {one}" for one in outside), *(f"not met: {one}" for one in failed)):
        sys.stderr.write(line + "\n")
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m serinus.simulation", description=__doc__)
    parser.add_argument("--out", type=Path, help="page to write; standard output without it")
    parser.add_argument("--plots", type=Path, help="folder for the pictures of the page; nothing else is made")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full number of rollouts")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nice", type=int, default=10, help="added to the niceness")
    parser.add_argument("--kept", type=Path, help="folder of what was played before, by this very code, and goes on")
    parser.add_argument("--only", nargs="*", default=[], help="tables, such as 4.1 4.6 peers")
    return parser.parse_args(arguments)


def _draw(folder: Path, seed: int) -> int:
    """Late: matplotlib is an optional extra."""
    from serinus.simulation.plots import draw

    for file in draw(folder, seed=seed):
        sys.stdout.write(f"{file}\n")
    return 0


def _cells(scale: float) -> list[tables.Cell]:
    def part(runs: int) -> int:
        return max(20, round(scale * runs))

    return [
        *tables.false_reverts(part(4000)),
        *tables.detection(part(2000)),
        *tables.latency(part(1000)),
        *tables.drift(part(2000)),
        *tables.scalars(part(1000)),
        *tables.closed_loop(part(2000)),
        *tables.whole_path(part(200)),
        # Each look of these is the product's own: most of a second of a core for each rollout.
        *policies.guarded(part(60)),
        *holds.cells(part(500)),
        *tables.peers(("ours", *PEERS), part(500)),
    ]


def _play_all(cells: Sequence[tables.Cell], workers: int, seed: int, play: PlayChunk = play_chunk) -> list[Played]:
    """Longest chunks are not known beforehand; as many chunks as there are keep the processes busy to the end."""
    parts: dict[int, dict[int, Played]] = {index: {} for index in range(len(cells))}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs: dict[Future[Played], tuple[int, int]] = {}
        for index, cell in enumerate(cells):
            for chunk, runs in enumerate(chunks(cell)):
                jobs[pool.submit(play, cell, chunk, runs, seed)] = index, chunk
        for done, job in enumerate(as_completed(jobs), 1):
            index, chunk = jobs[job]
            parts[index][chunk] = job.result()
            _show_progress(done, len(jobs), f"{cells[index].table} {cells[index].label}")
    return [join([found[chunk] for chunk in sorted(found)]) for found in parts.values()]


def _show_progress(done: int, whole: int, what: str) -> None:
    """One line that is rewritten on a terminal, and a line every twentieth of the way in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{done} of {whole} chunks  {what}".ljust(79)[:79] + ("\n" if done == whole else ""))
    elif done == whole or done % max(whole // 20, 1) == 0:
        sys.stderr.write(f"{done} of {whole} chunks\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
