"""What must happen in the demo, chapter by chapter, and within which time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serinus_local.demo.cluster import DemoCluster
from serinus_local.demo.watching import Manifest, Watch
from serinus_local.images import TRITON

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "demo"
NAME, NAMESPACE, HOST = "fraud", "ml", "fraud.example.com"
SELECTOR = f"--selector=serinus.dev/modeldeployment={NAME}"
ENDED = ("Succeeded", "Reverted", "Aborted", "Superseded")
GONE_SECONDS = 90
DERIVED = "controllerrevisions,rollouts.serinus.dev,deployments,services,pods"


class StoryError(RuntimeError):
    """The story did not happen as it should."""


@dataclass(frozen=True)
class Chapter:
    """One version that is applied, how its Rollout must end, and within how many seconds."""

    version: str
    title: str
    end: str
    limit: float

    @property
    def file(self) -> Path:
        """The manifests to apply."""
        return EXAMPLES / f"v{self.version}.yaml"


FIRST = Chapter("1", "the first version: gets 100 % as soon as its pods answer", "Succeeded", 120)
LATER = (
    Chapter("2", "a good version: gets 10, 50 and 100 %, then is promoted after the guard window", "Succeeded", 150),
    Chapter("3", "a bad version: every fifth request fails, so it is reverted", "Reverted", 90),
    Chapter("4", "a version that never loads: aborted at its deadline, receives no requests", "Aborted", 120),
)


async def clear(cluster: DemoCluster) -> None:
    """Delete what an earlier demo has left, and wait until its last pod is gone: names would clash else."""
    await cluster.run(
        "delete", "mdep", NAME, f"--namespace={NAMESPACE}", "--ignore-not-found", f"--timeout={GONE_SECONDS}s"
    )
    for kind in DERIVED.split(","):
        await cluster.run(
            "wait", "--for=delete", kind, SELECTOR, f"--namespace={NAMESPACE}", f"--timeout={GONE_SECONDS}s"
        )


async def play(chapter: Chapter, cluster: DemoCluster, rollouts: Watch) -> Manifest:
    """Apply a chapter's version and give its Rollout once that has ended as it must; raises StoryError."""
    text = chapter.file.read_text().replace(TRITON, cluster.image)
    await cluster.run("apply", "--filename=-", stdin=text)
    if not await rollouts.until(lambda: is_over(rollout_of(rollouts, chapter.version)), chapter.limit):
        seen = rollout_of(rollouts, chapter.version)
        where = f"it is {told(seen)}" if seen else "it has no Rollout"
        raise StoryError(f"version {chapter.version} did not finish within {chapter.limit:.0f} s: {where}")
    rollout = rollout_of(rollouts, chapter.version)
    assert rollout is not None
    if rollout["status"]["phase"] != chapter.end:
        raise StoryError(f"version {chapter.version} should be {chapter.end}, but is {told(rollout)}")
    return rollout


def rollout_of(rollouts: Watch, version: str) -> Manifest | None:
    """Find the newest Rollout of a version."""
    found = [one for one in rollouts.objects.values() if one["spec"]["to"]["version"] == version]
    return max(found, key=lambda one: (one["metadata"]["creationTimestamp"], one["spec"]["attempt"]), default=None)


def is_over(rollout: Manifest | None) -> bool:
    """Tell whether a Rollout has ended and its weight has arrived where it must."""
    status: dict[str, Any] = (rollout or {}).get("status", {})
    return status.get("phase") in ENDED and "settledAt" in status


def told(rollout: Manifest) -> str:
    """Say where a Rollout stands, in its own words."""
    status = rollout.get("status", {})
    return f"{status.get('phase', 'Pending')} ({status.get('reason', '')}: {status.get('message', '')})"
