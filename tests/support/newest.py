"""What one sees of the newest Rollout, of a world in memory or on a real API server."""

from __future__ import annotations

from serinus.core.model.kinds import Json


class NewestRollout:
    """Words for the newest of `rollouts`, which the world gives in the order of creation."""

    @property
    def rollouts(self) -> list[Json]:
        raise NotImplementedError

    @property
    def rollout(self) -> Json:
        return self.rollouts[-1]

    @property
    def state(self) -> Json:
        """Its status."""
        return (self.rollout.get("status") or {}) if self.rollouts else {}

    @property
    def phase(self) -> str | None:
        return self.state.get("phase")

    @property
    def tried(self) -> str | None:
        """The version that it tries."""
        return self.rollout["spec"]["to"]["version"] if self.rollouts else None
