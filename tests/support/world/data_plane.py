"""The gateways: they send requests as the route says, a little later, or as it said when they heard of it last."""

from __future__ import annotations

from collections.abc import Mapping

from serinus.core.model.split import Split

Shares = Mapping[str, float]
"""Percent of all requests, by revision."""


class DataPlane:
    """What the gateways know of the route. They follow it after `lag` seconds; of all requests `cohort` percent match
    whatever a route matches.
    """

    def __init__(self) -> None:
        self.lag = 0
        self.cohort = 0.0
        self._heard: list[Shares] = []
        self._kept: Shares | None = None

    def hear(self, split: Split | None) -> None:
        """Take in what the route says in this second."""
        self._heard = [*self._heard, self._said(split)][-self.lag - 1 :]

    def shares(self, split: Split | None) -> Shares:
        """Give what the gateways send to each revision now."""
        if self._kept is not None:
            return self._kept
        return self._heard[0] if self._heard and self.lag else self._said(split)

    def stop(self, split: Split | None) -> None:
        """From now on nobody tells them of the route."""
        self._kept = self.shares(split)

    def start(self) -> None:
        """From now on they are told again."""
        self._kept = None

    def keep_to(self, shares: Shares) -> None:
        """From now on another route wins."""
        self._kept = shares

    def _said(self, split: Split | None) -> Shares:
        if split is None:
            return {}
        cohort = self.cohort if split.matches else 0.0
        shares = {name: weight * (1.0 - cohort / 100) for name, weight in split.destinations}
        shares[next(reversed(shares))] += cohort
        return shares
