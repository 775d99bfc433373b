"""Programs are recorded by themselves, started again as they were, and only ours are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serinus_local.ports import Ports
from serinus_local.process import Processes, Program, Running, end_marked, free_port
from serinus_local.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
SLEEP = Program("sleeper", ("sleep", "60"))


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    yield Processes(tmp_path)
    end_marked(tmp_path)


def test_a_second_start_finds_the_first(processes: Processes) -> None:
    assert processes.start(SLEEP) == processes.start(SLEEP)


def test_the_record_is_enough_to_find_it_from_another_run(processes: Processes) -> None:
    started = processes.start(SLEEP)
    assert Processes(processes.state).running("sleeper") == started


def test_a_killed_program_is_gone_and_comes_back_as_it_was(processes: Processes) -> None:
    first = processes.start(Program("said", ("sh", "-c", 'echo "$WORD"; exec sleep 60'), {"WORD": "again"}))
    until(lambda: processes.log("said").read_text() == "again\n", what="its line", limit=5)
    processes.kill("said")
    assert not first.alive
    assert processes.again("said") != first
    until(lambda: processes.log("said").read_text() == "again\nagain\n", what="both lines", limit=5)


def test_a_reused_pid_is_not_ours() -> None:
    assert not Running(os.getpid(), "1").alive


def test_one_that_ignores_sigterm_is_killed_after_its_grace(processes: Processes) -> None:
    running = processes.start(Program("deaf", ("sh", "-c", "trap '' TERM; while :; do sleep 1; done")))
    processes.stop("deaf", by=signal.SIGTERM, grace=0.2)
    assert not running.alive


def test_a_wait_ends_with_the_log_when_the_program_dies(processes: Processes) -> None:
    processes.start(Program("dying", ("sh", "-c", "echo the reason; exit 3")))
    with pytest.raises(RuntimeError, match=r"dying: it exited while waiting for good news.*\n.*the reason"):
        processes.wait(lambda: False, "dying", what="good news", limit=10)


def test_a_wait_ends_with_the_log_when_the_limit_passes(processes: Processes) -> None:
    processes.start(Program("slow", ("sh", "-c", "echo still busy; exec sleep 60")))
    until(lambda: processes.log("slow").read_text() != "", what="its line", limit=5)
    with pytest.raises(RuntimeError, match=r"waited 0 s for good news.*\n.*still busy"):
        processes.wait(lambda: False, "slow", what="good news", limit=0.1)


def test_what_no_record_names_is_found_by_its_mark(processes: Processes) -> None:
    running = processes.start(SLEEP)
    (processes.records / "sleeper.pid").unlink()
    end_marked(processes.state)
    assert not running.alive


def test_a_port_is_chosen_once(tmp_path: Path) -> None:
    first = Ports(tmp_path)["api"]
    assert Ports(tmp_path)["api"] == first
    assert Ports(tmp_path)["other"] != first


def test_ports_are_below_those_of_outgoing_connections() -> None:
    assert 20000 <= free_port() < 32768


ENDED_EARLY = """
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


def test_sigterm_lets_every_block_end() -> None:
    """As Ctrl-C does: what a demo or a benchmark has started ends with it."""
    with subprocess.Popen(
        [sys.executable, "-c", ENDED_EARLY], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == b"began\n"
        one.terminate()
        assert one.stdout.read() == b"cleaned up\n"
