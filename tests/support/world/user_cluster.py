"""The world's API server as the commands of the command line see it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from click.testing import Result
from typer.testing import CliRunner

from serinus.cli.app import app
from serinus.cli.session import CommandWorld
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import CONTROLLER_REVISION, MODEL_DEPLOYMENT, ROLLOUT, Json, Kind
from tests.support.json_patch import patched
from tests.support.world.world import World


@dataclass(frozen=True)
class WorldCluster:
    """The port `UserCluster` over the objects of a world."""

    world: World
    namespace: str = "ml"

    def names(self, namespace: str | None) -> list[Key]:
        return [Key("ml", one["metadata"]["name"]) for one in self.world.api.all(MODEL_DEPLOYMENT)]

    def model_deployments(self, namespace: str | None) -> list[Json]:
        return copy.deepcopy(self.world.api.all(MODEL_DEPLOYMENT))

    def model_deployment(self, name: str) -> Json | None:
        return copy.deepcopy(self.world.api.find(MODEL_DEPLOYMENT, name))

    def rollouts(self, name: str) -> list[Json]:
        return self._labelled(ROLLOUT, name)

    def controller_revisions(self, name: str) -> list[Json]:
        return self._labelled(CONTROLLER_REVISION, name)

    def patch_rollout(self, name: str, patch: Json) -> Json:
        raise NotImplementedError

    def patch_model_deployment(self, name: str, operations: list[Json]) -> Json:
        return self.world.api.put(patched(self.world.api.find(MODEL_DEPLOYMENT, name), operations))

    def _labelled(self, kind: Kind, name: str) -> list[Json]:
        found = self.world.api.all(kind)
        return copy.deepcopy([one for one in found if one["metadata"]["labels"].get(MODEL_DEPLOYMENT_LABEL) == name])


def say_in(world: World, *words: str) -> Result:
    """Type a command in a world, whose time does not pass meanwhile."""
    place = CommandWorld(lambda target: WorldCluster(world), world.clock.now, lambda seconds: None)
    return CliRunner().invoke(app, list(words), obj=place)
