"""A model registry that is told what became of its versions: a double of the port, which may be down."""

from __future__ import annotations

from serinus.core.model.errors import NotRegistered, RegistryError
from serinus.core.model.registry import Mark, Marking


class Registry:
    """`marks` has each version's own, `aliases` what the aliases of all models point at, `told` all that was told."""

    def __init__(self) -> None:
        self.down = False
        self.unknown: set[str] = set()
        self.denied: set[str] = set()
        """Models that our login may not change."""
        self.told: list[Marking] = []
        self.marks: dict[str, Mark] = {}
        self.aliases: dict[str, str] = {}

    async def tell(self, marking: Marking) -> None:
        """The port `ModelRegistry`."""
        if self.down:
            raise RegistryError("https://mlflow: no answer within 20 s")
        if marking.version.model in self.denied:
            raise RegistryError("https://mlflow: HTTP 403 to model-versions/set-tag: Permission denied")
        name = f"{marking.version.model}/{marking.version.version}"
        if name in self.unknown:
            raise NotRegistered(f"https://mlflow: HTTP 404: {name} is not there")
        self.told.append(marking)
        self.marks[name] = marking.mark
        if marking.mark is not Mark.SERVED:
            self.aliases[str(marking.mark)] = name
