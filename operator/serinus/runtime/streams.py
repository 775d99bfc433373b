"""Counts the messages of canaries' gRPC streams now and then, to report what no metric judges."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from serinus.api.policy import Provider
from serinus.core.analysis.promql import SERVICES_PER_QUERY
from serinus.core.analysis.streams import stream_query
from serinus.core.model.answers import NoAnswer
from serinus.runtime.groups import Group
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch

EVERY_SECONDS = 15.0


class StreamCounts:
    """Keeps how many messages of each Service's streams were answered in the last minute, beyond one a request."""

    def __init__(self, metrics: Metrics, clock: Clock, presets: Presets) -> None:
        self._metrics = metrics
        self._clock = clock
        self._presets = presets
        self._messages: dict[tuple[str, str], float] = {}
        self._asked_at: dict[tuple[str, str], float] = {}
        """By canary: rollouts of several intervals share a source, and each is asked about in a round of its own."""

    async def ask(self, watches: Sequence[Watch]) -> None:
        """Ask about the canaries that have weight, where a gateway counts for them."""
        groups: dict[Group, list[Watch]] = {}
        now = self._clock.now()
        for watch in watches:
            if watch.since is None or now - self._asked_at.get(_service_of(watch), -EVERY_SECONDS) < EVERY_SECONDS:
                continue
            group = self._presets.group_of(watch)
            if group is not None and group.provider is Provider.ISTIO:
                groups.setdefault(group, []).append(watch)
                self._asked_at[_service_of(watch)] = now
        await asyncio.gather(*(self._ask_group(group, served) for group, served in groups.items()))

    def messages(self, watch: Watch) -> float:
        """Tell what was counted for a canary."""
        return self._messages.get(_service_of(watch), 0.0)

    def forget(self, watch: Watch) -> None:
        """Drop what was counted for a canary."""
        for kept in (self._messages, self._asked_at):
            kept.pop(_service_of(watch), None)

    async def _ask_group(self, group: Group, watches: Sequence[Watch]) -> None:
        arms = sorted({watch.canary for watch in watches})
        for start in range(0, len(arms), SERVICES_PER_QUERY):
            chunk = arms[start : start + SERVICES_PER_QUERY]
            answer = await self._metrics.ask(group.source, stream_query(chunk, group.scope.matchers))
            if isinstance(answer, NoAnswer):
                continue
            for arm in chunk:
                self._messages.pop((arm.namespace, arm.service), None)
            for series in answer.series:
                labels = series.labels
                owner = labels.get("destination_service_namespace", ""), labels.get("destination_service_name", "")
                self._messages[owner] = series.samples[-1][1] if series.samples else 0.0


def _service_of(watch: Watch) -> tuple[str, str]:
    return watch.canary.namespace, watch.canary.service
