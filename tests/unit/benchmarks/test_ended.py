"""A benchmark that is ended early takes along what it has started."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import asyncio
from serinus_local.process import end_on_sigterm

async def measure():
    try:
        print("began", flush=True)
        await asyncio.sleep(600)
    finally:
        print("cleaned up", flush=True)

end_on_sigterm()
asyncio.run(measure())
"""


def test_sigterm_is_ctrl_c() -> None:
    """SIGTERM lets every block of an asyncio program end."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"began\n"
        one.terminate()
        assert one.stdout.read() == b"cleaned up\n"
