"""A story as JSON, for scripts: the keys are a contract (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Iterable

from serinus.api.parsing import RolloutView
from serinus.api.rollout import RevisionReference
from serinus.cli.advice import Advice
from serinus.cli.story import Story
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import exposure_of


def story_json(story: Story, advised: Iterable[Advice]) -> Json:
    """Write everything that the page shows, and all decision records instead of the last few."""
    view = story.deployment
    return {
        "namespace": view.namespace,
        "name": view.name,
        "model": view.model_name,
        "fallback": story.fallback,
        "stable": _revision(story, story.stable, FULL_WEIGHT - story.exposure.weight),
        "canary": _revision(story, story.active.spec.to, story.exposure.weight) if story.active else None,
        "group": _group(story),
        "rollout": _rollout(story, story.newest) if story.newest else None,
        "unwell": [condition.manifest() for condition in story.unwell()],
        "waitsForOperator": list(story.unseen()),
        "next": [one.command for one in advised],
    }


def _group(story: Story) -> Json | None:
    """The group as the spec has it, and where the operator says that the ModelDeployment stands in that release."""
    group, told = story.deployment.spec.group, story.deployment.status.group
    if group is None:
        return None
    current = told if told is not None and told.release == group.release else None
    return {**group.manifest(), "standing": current and current.standing, "message": current and current.message}


def _revision(story: Story, revision: RevisionReference | None, weight: int) -> Json | None:
    if revision is None:
        return None
    pods = story.pods(revision.revision)
    return {
        **revision.manifest(),
        "weight": weight,
        "readyReplicas": pods.ready_replicas if pods else None,
        "replicas": pods.replicas if pods else None,
        "digest": pods.digest if pods else None,
        "resolved": pods.resolved if pods else None,
    }


def _rollout(story: Story, rollout: RolloutView) -> Json:
    status = rollout.status
    shown = {"phase", "stepText", "verdict", "reason", "message", "startedAt", "finishedAt", "goal", "decisions"}
    told = {key: value for key, value in status.manifest().items() if key in shown}
    return {
        "name": rollout.name,
        "from": rollout.spec.from_.manifest() if rollout.spec.from_ else None,
        "to": rollout.spec.to.manifest(),
        "triedAgain": story.again(rollout) or None,
        "weight": status.weight,
        "exposure": exposure_of(status).text,
        **told,
    }
