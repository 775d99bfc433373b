"""Starts programs that outlive us, remembers each with its pid and start time, and ends only those.

The record of a program is written by the very process that becomes it, so a run that is killed at any line leaves
nothing behind that `down` would not find.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from serinus_local.waiting import until

# The shell writes its own line of /proc before it turns into the program: pid and start time stay the same.
_BECOME = 'read -r line < /proc/$$/stat; printf "%s\\n" "$line" > "$1.new"; mv "$1.new" "$1"; shift; exec "$@"'
MARK = "SERINUS_LOCAL_STATE"
_FOR_GO = {"GOGC": "300", "GOMEMLIMIT": "8GiB"}
"""Memory is cheaper here than two cores: an API server that seldom collects garbage starts with a sixth less CPU.

With ten thousand ModelDeployments it took 14 GiB; the limit makes it collect earlier there.
"""


@dataclass(frozen=True)
class Program:
    """A program as it is started; enough to start it again in the same way."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Running:
    """A process that we started: its pid may be another's by now, its start time tells."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Tell whether it still runs; a zombie that nobody collects does not, once its last thread has ended."""
        seen = _stat(Path(f"/proc/{self.pid}/stat"))
        if seen is None or seen[0] != self:
            return False
        return seen[1] not in "ZX" or _threads(self.pid) > 1


class Processes:
    """The programs of one state folder: records in `processes/`, output in `logs/`."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.records = state / "processes"
        self.logs = state / "logs"
        for folder in (self.records, self.logs):
            folder.mkdir(parents=True, exist_ok=True)

    def start(self, program: Program) -> Running:
        """Start it, or return the one that runs already."""
        running = self.running(program.name)
        if running is not None:
            return running
        record = self._pid_file(program.name)
        record.unlink(missing_ok=True)
        (self.records / f"{program.name}.json").write_text(json.dumps(asdict(program)))
        environment = _FOR_GO | os.environ | dict(program.env) | {MARK: str(self.state)}
        with self.log(program.name).open("ab") as log:
            subprocess.run(
                ["setsid", "--fork", "sh", "-c", _BECOME, "sh", str(record), *program.argv],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, check=True,
            )  # fmt: skip
        until(record.exists, what=f"{program.name} to start", limit=10)
        seen = _stat(record)
        assert seen is not None
        return seen[0]

    def running(self, name: str) -> Running | None:
        """Return the process of that name if it lives."""
        seen = _stat(self._pid_file(name))
        return seen[0] if seen is not None and seen[0].alive else None

    def known(self) -> list[str]:
        """Name every program that was ever started here."""
        return sorted(path.stem for path in self.records.glob("*.json"))

    def again(self, name: str) -> Running:
        """Start a program in the way it was started before."""
        stored = json.loads((self.records / f"{name}.json").read_text())
        return self.start(Program(stored["name"], tuple(stored["argv"]), stored["env"]))

    def stop(self, name: str, *, by: signal.Signals = signal.SIGTERM, grace: float = 5) -> None:
        """End it with `by`, after `grace` seconds with SIGKILL; return when it is gone."""
        running = self.running(name)
        if running is None:
            return
        for sent, patience in ((by, grace), (signal.SIGKILL, 10.0)):
            _send(running, sent)
            if _gone(running, patience):
                return
        raise TimeoutError(f"{name} (pid {running.pid}) is still running after SIGKILL")

    def kill(self, name: str) -> None:
        """Kill it as a crash would, and return when it is gone."""
        self.stop(name, by=signal.SIGKILL)

    def log(self, name: str) -> Path:
        """Return the file with what it printed."""
        return self.logs / f"{name}.log"

    def wait(self, check: Callable[[], bool], name: str, *, what: str, limit: float) -> None:
        """Wait until `check` holds; fail with the end of the log when the program dies or the limit passes."""
        try:
            until(check, what=what, limit=limit, alive=lambda: self.running(name) is not None)
        except (TimeoutError, ProcessLookupError) as error:
            raise RuntimeError(f"{name}: {error}; last lines of {self.log(name)}:\n{tail(self.log(name))}") from error

    def _pid_file(self, name: str) -> Path:
        return self.records / f"{name}.pid"


def end_marked(state: Path) -> None:
    """Kill whatever carries the mark of this state folder in its environment: what no record names."""
    mark = f"{MARK}={state}".encode()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked:
            kill_pid(int(folder.name))


def kill_pid(pid: int) -> None:
    """Kill a process of ours and wait until it is gone."""
    seen = _stat(Path(f"/proc/{pid}/stat"))
    if seen is not None:
        _send(seen[0], signal.SIGKILL)
        _gone(seen[0], 10)


def end_on_sigterm() -> None:
    """End on SIGTERM as on Ctrl-C, so that what this process has started ends, too."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port that nobody has, below those of outgoing connections: it must be free after a restart, too."""
    for port in random.sample(range(20000, 32768), 200):
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no free port between 20000 and 32767 on {address}")


def tail(log: Path, lines: int = 25) -> str:
    """Return the last lines of a log, or say that there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"


def _threads(pid: int) -> int:
    """Count the threads: the first may be a zombie while others still hold the program's ports."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 0


def _send(running: Running, sent: signal.Signals) -> None:
    if running.alive:
        try:
            os.kill(running.pid, sent)
        except ProcessLookupError:
            return


def _gone(running: Running, limit: float) -> bool:
    try:
        until(lambda: not running.alive, what="it to end", limit=limit)
    except TimeoutError:
        return False
    return True


def _stat(path: Path) -> tuple[Running, str] | None:
    """Read pid, start time and state out of a line of /proc/<pid>/stat."""
    try:
        text = path.read_text()
    except OSError:
        return None
    before, _, after = text.rpartition(")")
    fields = after.split()
    return Running(int(before.split(" ", 1)[0]), fields[19]), fields[0]
