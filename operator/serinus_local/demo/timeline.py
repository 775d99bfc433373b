"""Turns what is watched into lines that a person can follow: one for each thing that changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from serinus_local.demo.answers import Answer
from serinus_local.demo.watching import Manifest
from serinus_local.waiting import now

Seen = tuple[str, int, str, str]


@dataclass
class Timeline:
    """The lines so far, each with its second; `told` gets every new one."""

    told: Callable[[str], None] = lambda line: None
    lines: list[str] = field(default_factory=list)
    _began: float = field(default_factory=now)
    _known: dict[str, Seen] = field(default_factory=dict)
    _bad_seen: bool = False

    def say(self, text: str) -> None:
        """Add a line."""
        line = f"{now() - self._began:6.1f} s  {text}"
        self.lines.append(line)
        self.told(line)

    def rollout(self, manifest: Manifest) -> None:
        """Say what has changed in a Rollout; the same twice is said once."""
        status, version = manifest.get("status", {}), manifest["spec"]["to"]["version"]
        seen = (
            status.get("phase", "Pending"), status.get("weight", 0), status.get("verdict", ""), status.get("reason", "")
        )  # fmt: skip
        before = self._known.get(manifest["metadata"]["name"])
        self._known[manifest["metadata"]["name"]] = seen
        if before == seen:
            return
        phase, weight, verdict, reason = seen
        parts = [f"version {version}: {weight:3d} %  {phase}", verdict, reason]
        self.say("  ".join(part for part in parts if part) + _why(seen, status.get("message", "")))

    def answer(self, answer: Answer) -> None:
        """Say when the first bad answer came, and every request that failed for another reason."""
        if answer.bad and not self._bad_seen:
            self._bad_seen = True
            self.say("first bad answer")
        elif answer.version is None and not answer.bad:
            self.say(f"request FAILED: {answer.error}")


def _why(seen: Seen, message: str) -> str:
    """Give the reason in full where a person will ask for it."""
    return f"\n          {message}" if seen[0] in ("Reverted", "Aborted", "Superseded") else ""
