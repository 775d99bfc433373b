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


async def cost(seconds: float, *pids: int) -> list[Cost]:
    """Watch some processes for a time."""
    clock = SystemClock()
    began, used = clock.monotonic(), [cpu_seconds(pid) for pid in pids]
    await asyncio.sleep(seconds)
    lasted = clock.monotonic() - began
    return [Cost((cpu_seconds(pid) - so_far) / lasted, rss_mb(pid)) for pid, so_far in zip(pids, used, strict=True)]


def cpu_seconds(pid: int) -> float:
    """Give what a process and those that it has started have used so far."""
    return sum((int(fields[11]) + int(fields[12])) / _TICKS for fields in _session(pid).values())


def rss_mb(pid: int) -> float:
    """Give the memory that a process and those that it has started hold now, in MiB."""
    return sum(_rss_kb(each) for each in _session(pid)) / 1024


def _session(pid: int) -> dict[int, list[str]]:
    """Read the lines of /proc/<pid>/stat, after the name, of a session's processes: each program here has its own."""
    found = {int(folder.name): _stat(folder) for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    return {each: fields for each, fields in found.items() if fields and (each == pid or fields[3] == str(pid))}


def _stat(folder: Path) -> list[str]:
    try:
        return (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _rss_kb(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)
