"""The cgroup that holds all pods of a run: whatever a crash leaves running is found in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from serinus_local.process import kill_pid
from serinus_local.waiting import until

_ROOT = Path("/sys/fs/cgroup")
_TIMES_OTHERS = 16
_USUAL_WEIGHTS = {"cpu/{name}/cpu.shares": 1024, "{name}/cpu.weight": 100}
"""What a group of processes weighs unless told, with version 1 and 2. A shell's session is one (autogroup), however
nice its processes are: models beside a compiler would answer their probes too late."""


def make(name: str) -> None:
    """Make the cgroup in each hierarchy, as kubelet expects to find it."""
    for folder in _hierarchies():
        (folder / name).mkdir(exist_ok=True)
    _delegate()
    cpuset = _ROOT / "cpuset"
    if cpuset.is_dir():
        for file in ("cpuset.cpus", "cpuset.mems"):
            (cpuset / name / file).write_text((cpuset / file).read_text())
    _prefer(name)


def remove(name: str) -> None:
    """Kill what runs in the cgroup and remove it, innermost first."""
    for root in _hierarchies():
        group = root / name
        if not group.is_dir():
            continue
        groups = [group, *(path for path in group.rglob("*") if path.is_dir())]
        groups.sort(key=lambda path: -len(path.parts))
        until(partial(_empty, groups), what=f"the processes of {group} to end", limit=30)
        for folder in groups:
            until(partial(_removed, folder), what=f"{folder} to be empty", limit=10)


def _prefer(name: str) -> None:
    """Let what runs in the cgroup have the processor before everything else on the machine."""
    for place, usual in _USUAL_WEIGHTS.items():
        file = _ROOT / place.format(name=name)
        if file.exists():
            file.write_text(str(_TIMES_OTHERS * usual))


def _delegate() -> None:
    """Hand every controller of version 2 down to the groups below the root, as far as the machine allows."""
    listed = _ROOT / "cgroup.controllers"
    for controller in listed.read_text().split() if listed.exists() else []:
        try:
            (_ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
        except OSError:
            continue


def _hierarchies() -> list[Path]:
    """Return the root of each cgroup hierarchy: one with version 2, one a controller with version 1."""
    if (_ROOT / "cgroup.controllers").exists():
        return [_ROOT]
    return [folder for folder in _ROOT.iterdir() if (folder / "cgroup.procs").exists() and not folder.is_symlink()]


def _empty(groups: list[Path]) -> bool:
    """Kill every process in these cgroups and tell whether there was none: a fork may have slipped through."""
    found = [pid for folder in groups for pid in _pids(folder)]
    for pid in found:
        kill_pid(pid)
    return not found


def _pids(group: Path) -> list[int]:
    try:
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
