"""A cluster of dictionaries, and the rollouts of the tests in it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from click.testing import Result
from typer.testing import CliRunner

from serinus.cli.app import app
from serinus.cli.cluster import Target
from serinus.cli.errors import NotAllowed, Refused
from serinus.cli.session import CommandWorld
from serinus.cli.story import Story, read_story
from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from tests.support.json_patch import patched

STABLE, CANARY = "fraud-aaaaaaaaaa", "fraud-bbbbbbbbbb"
ROLLOUT = f"{CANARY}-1"
WORDS_THAT_MIGHT_BE_MARKUP = ("m[v2]", "[/]", "[bold]b", ":tada:")
NOW = 1767225700.0
"""2026-01-01T00:01:40Z"""


def deployment(name: str = "fraud", **status: Any) -> Json:
    """A ModelDeployment whose stable revision is version 41."""
    return {
        "metadata": {"name": name, "namespace": "ml", "uid": "u-1", "generation": 2},
        "spec": {
            "model": {"version": "42", "storageUri": "configmap://fraud-42"},
            "runtime": {"image": "triton"},
        },
        "status": {
            "observedGeneration": 2,
            "stable": {"revision": STABLE, "version": "41", "readyReplicas": 2, "replicas": 2},
            "canary": {"revision": CANARY, "version": "42", "readyReplicas": 1, "replicas": 1},
            "conditions": [condition("Ready", "True"), condition("Stalled", "False", "NotStalled")],
            **status,
        },
    }


def condition(kind: str, status: str, reason: str = "StableServing", message: str = "as it should be") -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def rollout(*, levers: Json | None = None, first: bool = False, name: str = ROLLOUT, **status: Any) -> Json:
    """A Rollout from version 41 to 42 that stands in the pause after 5 percent."""
    spec: Json = {
        "modelDeployment": "fraud",
        "from": {"revision": STABLE, "version": "41"},
        "to": {"revision": CANARY, "version": "42"},
        "policy": "0f1e2d3c4b",
        "strategy": {"canary": {"steps": [{"setWeight": 5}, {"pause": {}}, {"setWeight": 50}]}},
        "analysis": {"metrics": [{"name": "errors", "preset": "error-rate", "thresholdRange": {"max": "5%"}}]},
        "guard": {"duration": "30m"},
        "progressDeadlineSeconds": 600,
        **(levers or {}),
    }
    if first:
        del spec["from"]
    return {
        "metadata": {"name": name, "namespace": "ml", "uid": f"u-{name}", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
        "status": {
            "phase": "Paused",
            "step": 1,
            "stepText": "2/3",
            "weight": 5,
            "stepStartedAt": "2026-01-01T00:01:10.000Z",
            "reason": "AwaitingPromotion",
            "message": "set spec.promote.throughStep to 2 to continue",
            **status,
        },
    }


def reverted(**status: Any) -> Json:
    """A Rollout that was reverted, with its record."""
    record = {
        "action": "Taken",
        "weight": 0,
        "verdict": "Unsafe",
        "reason": "LimitExceeded",
        "message": "errors is 20%, limit max 5%, stable 0.1%",
        "metric": "errors",
        "value": "20%",
        "limit": "max 5%",
        "baseline": "0.1%",
        "samples": 50,
        "firstTime": "2026-01-01T00:01:20.250Z",
        "lastTime": "2026-01-01T00:01:20.250Z",
    }
    return rollout(
        **{
            "phase": "Reverted",
            "weight": 0,
            "verdict": "Unsafe",
            "reason": "LimitExceeded",
            "message": record["message"],
            "finishedAt": "2026-01-01T00:01:20.250Z",
            "settledAt": "2026-01-01T00:01:20.250Z",
            "decisions": [record],
            **status,
        }
    )


@dataclass
class FakeCluster:
    """Keeps manifests of namespace `ml`; answers levers at once, as an operator would, unless told not to."""

    deployments: list[Json] = field(default_factory=list)
    kept: list[Json] = field(default_factory=list)
    namespace: str = "ml"
    answers: bool = True
    patches: list[tuple[str, Json]] = field(default_factory=list)
    revisions: list[Json] = field(default_factory=list)
    refusal: Refused | None = None
    sees_all: bool = True

    def names(self, namespace: str | None) -> list[Key]:
        if namespace is None and not self.sees_all:
            raise NotAllowed("you may not list modeldeployments")
        keys = [Key(one["metadata"]["namespace"], one["metadata"]["name"]) for one in self.deployments]
        return [key for key in keys if namespace in (None, key.namespace)]

    def model_deployments(self, namespace: str | None) -> list[Json]:
        if self.refusal is not None:
            raise self.refusal
        if namespace is None and not self.sees_all:
            raise NotAllowed("you may not list modeldeployments")
        return [one for one in self.deployments if namespace in (None, one["metadata"]["namespace"])]

    def model_deployment(self, name: str) -> Json | None:
        if self.refusal is not None:
            raise self.refusal
        here = [one for one in self.deployments if one["metadata"]["namespace"] == self.namespace]
        return next((one for one in here if one["metadata"]["name"] == name), None)

    def rollouts(self, name: str) -> list[Json]:
        return deepcopy(self.kept)

    def patch_rollout(self, name: str, patch: Json) -> Json:
        if self.refusal is not None:
            raise self.refusal
        self.patches.append((name, patch))
        target = next(one for one in self.kept if one["metadata"]["name"] == name)
        _merge(target, deepcopy(patch))
        if self.answers:
            heard = {lever: target["spec"].get(lever) for lever in ("paused", "abort", "promote", "retry")}
            target["status"]["acknowledged"] = heard
        return target

    def controller_revisions(self, name: str) -> list[Json]:
        return deepcopy(self.revisions)

    def patch_model_deployment(self, name: str, operations: list[Json]) -> Json:
        if self.refusal is not None:
            raise self.refusal
        at = next(index for index, one in enumerate(self.deployments) if one["metadata"]["name"] == name)
        changed = patched(self.deployments[at], operations)
        changed["metadata"]["generation"] += 1
        if self.answers:
            changed["status"]["observedGeneration"] = changed["metadata"]["generation"]
        self.deployments[at] = changed
        return changed


def _merge(target: Json, patch: Json) -> None:
    """Merge as RFC 7386 says."""
    for key, value in patch.items():
        if isinstance(value, dict):
            _merge(target.setdefault(key, {}), value)
        elif value is None:
            target.pop(key, None)
        else:
            target[key] = value


def cluster(*rollouts: Json, **status: Any) -> FakeCluster:
    """A cluster with the ModelDeployment `fraud` and these Rollouts."""
    return FakeCluster([deployment(**status)], list(rollouts))


def story(*rollouts: Json, **status: Any) -> Story:
    """What such a cluster says."""
    return read_story(cluster(*rollouts, **status), "fraud")


def say(fake: FakeCluster, *words: str) -> Result:
    """Run the program against a cluster, at a time that stands still."""

    def connect(target: Target) -> FakeCluster:
        if target.namespace is not None:
            fake.namespace = target.namespace
        return fake

    return CliRunner().invoke(app, list(words), obj=CommandWorld(connect, lambda: NOW, lambda seconds: None))


GOAL_TEXT = "purchases +33.1% (band +6.2% to +67.9%), 316 of 790 against 240 of 799, odds 57.2 to 1"


def split_test(**status: Any) -> Json:
    """A Rollout that waits for its goal at half of the users."""
    selected = '{modeldeployment="{{name}}", revision="{{revision}}"}'
    purchases = {"name": "purchases", "type": "Ratio", "gating": False}
    goal = {"metric": "purchases", "direction": "Increase", "minimumEffect": "10%"}
    levers = {
        "strategy": {"canary": {"steps": [{"setWeight": 50}, {"awaitGoal": {"goal": goal}}]}},
        "analysis": {
            "metrics": [
                {"name": "errors", "preset": "error-rate"},
                {**purchases, "query": f"sum(buys{selected})", "of": f"sum(visits{selected})"},
            ]
        },
    }
    told = {"metric": "purchases", "since": "2026-01-01T00:00:00.000Z", "text": GOAL_TEXT, **status.pop("goal", {})}
    standing = {"phase": "Progressing", "weight": 50, "stepText": "2/2", "reason": "AwaitingGoal"}
    return rollout(levers=levers, **{**standing, "message": GOAL_TEXT, "goal": told, **status})
