"""What the allocator of the C library keeps of memory that is free."""

from __future__ import annotations

import asyncio
import ctypes
import os
from pathlib import Path

import pytest

from serinus.adapters.allocator import TRIMMED_SECONDS, give_back_now_and_then
from tests.support.world.clock import VirtualClock

BLOCKS, BLOCK_BYTES = 1000, 64_000


def resident_mb() -> float:
    """Read what this process holds (statm of proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="a C library without malloc_trim")
async def test_what_is_free_between_blocks_that_stay_is_given_back_now_and_then() -> None:
    """Free memory at the end of the heap goes back by itself; here only a block in two is free."""
    clock = VirtualClock()
    task = asyncio.create_task(give_back_now_and_then(clock))
    blocks = [b"x" * BLOCK_BYTES for _ in range(BLOCKS)]
    del blocks[::2]
    await asyncio.sleep(0)
    kept = resident_mb()
    clock.move(TRIMMED_SECONDS)
    await asyncio.sleep(0)
    assert kept - resident_mb() > BLOCKS / 2 * BLOCK_BYTES / 1e6 / 2
    assert len(blocks) == BLOCKS / 2
    task.cancel()
