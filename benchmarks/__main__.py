"""`python -m benchmarks [--full] [--only PART ...] [--json FILE]`: measures, prints a table, and writes the numbers."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Findings, flattened
from benchmarks.live import USUAL_INTERVAL
from benchmarks.parts import PARTS, Wish, measured, usual
from serinus.adapters.clock import SystemClock
from serinus_local.process import end_on_sigterm

PROGRESS = Console(stderr=True)
IN_FILE_ALONE = "by_resource"
"""Too much for a table."""


def main() -> int:
    """Measure what is asked for; 1 where something could not be measured."""
    chosen = _options()
    clock, names = SystemClock(), chosen.only or usual(full=chosen.full)
    began = clock.monotonic()
    wish = Wish(chosen.full, chosen.live, chosen.interval, chosen.victims, chosen.idle, chosen.create)

    def tell(text: str) -> None:
        PROGRESS.print(f"{clock.monotonic() - began:4.0f} s  {text}", highlight=False, markup=False, soft_wrap=True)

    findings = Findings(chosen.json)
    end_on_sigterm()
    try:
        asyncio.run(measured(names, wish, tell, findings))
        tell("done")
    finally:
        # Whoever ends it early sees what there is.
        Console().print(_table(findings.numbers))
    return 0 if findings.is_whole else 1


def _options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--full", action="store_true", help="all sizes: most of an hour instead of five minutes")
    arguments.add_argument("--only", nargs="+", choices=list(PARTS), metavar="PART", help=f"of {', '.join(PARTS)}")
    arguments.add_argument(
        "--live", nargs="+", type=int, default=(), metavar="N", help="so many live rollouts, of one or two operators"
    )
    arguments.add_argument("--interval", default=USUAL_INTERVAL, help="their analysis.interval, with --live")
    arguments.add_argument("--victims", type=int, metavar="N", help="so many are reverted one by one")
    arguments.add_argument("--idle", nargs="+", type=int, default=(), metavar="N", help="so many idle ones")
    arguments.add_argument("--create", nargs="+", type=int, default=(), metavar="N", help="so many are created")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    return arguments.parse_args()


def _table(numbers: Mapping[str, Any]) -> Table:
    table = Table("measured", "", title="Serinus")
    for path, value in flattened(numbers):
        if IN_FILE_ALONE not in path:
            table.add_row(path, value)
    table.caption = f"{os.cpu_count()} cores; loads are of one minute, our own work included"
    return table


if __name__ == "__main__":
    sys.exit(main())
