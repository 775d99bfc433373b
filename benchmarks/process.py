"""What a process has used, as /proc tells it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from serinus.adapters.clock import SystemClock

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Cores over a time, and resident memory at its end."""

    cpu_cores: float
    rss_mb: float


async def cost(pid: int, seconds: float) -> Cost:
    """Watch a process for a time."""
    clock = SystemClock()
    began, used = clock.monotonic(), _cpu_seconds(pid)
    await asyncio.sleep(seconds)
    return Cost((_cpu_seconds(pid) - used) / (clock.monotonic() - began), _rss_mb(pid))


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024
