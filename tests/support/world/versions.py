"""Which version stands behind a name: a revision's, or that of a root Service."""

from __future__ import annotations

from serinus.core.model.identity import REVISION_LABEL
from serinus.core.model.kinds import CONTROLLER_REVISION, SERVICE
from serinus.core.plan.revisions import revision_name
from tests.support.world.api import InMemoryApi


class Versions:
    """Remembers what it has told, also when the object is gone."""

    def __init__(self, api: InMemoryApi) -> None:
        self._api = api
        self._known: dict[str, str] = {}

    def of(self, name: str) -> str:
        """The version of a revision, or of what a root Service selects."""
        root, revision = self._api.find(SERVICE, name), self._api.find(CONTROLLER_REVISION, name)
        if revision is not None:
            self._known[name] = revision["data"]["version"]
        elif root is not None and (hashed := root["spec"]["selector"][REVISION_LABEL]) not in name:
            self._known[name] = self.of(revision_name(name, hashed))
        return self._known.get(name, name)

    def take_over(self, other: Versions) -> None:
        """Know what another one knows."""
        self._known = dict(other._known)
