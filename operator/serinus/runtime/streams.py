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
        self._asked_at: dict[Group, float] = {}

    async def ask(self, watches: Sequence[Watch]) -> None:
        """Ask about the canaries that have weight, where a gateway counts for them."""
        groups: dict[Group, list[Watch]] = {}
        for watch in watches:
            group = self._presets.group_of(watch)
            if group is not None and group.provider is Provider.ISTIO and watch.since is not None:
                groups.setdefault(group, []).append(watch)
        now = self._clock.now()
        due = [group for group in groups if now - self._asked_at.get(group, 0.0) >= EVERY_SECONDS]
        self._asked_at.update(dict.fromkeys(due, now))
        await asyncio.gather(*(self._ask_group(group, groups[group]) for group in due))

    def messages(self, watch: Watch) -> float:
        """Tell what was counted for a canary."""
        return self._messages.get((watch.canary.namespace, watch.canary.service), 0.0)

    def forget(self, watch: Watch) -> None:
        """Drop what was counted for a canary."""
        self._messages.pop((watch.canary.namespace, watch.canary.service), None)

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
