"""Counts the messages of canaries' gRPC streams now and then, to report what no metric judges."""

from __future__ import annotations

import math
from collections.abc import Sequence

from serinus.api.policy import Provider
from serinus.core.analysis.promql import SERVICES_PER_QUERY, Arm
from serinus.core.analysis.streams import stream_query
from serinus.core.model.answers import NoAnswer
from serinus.runtime.beside import Beside
from serinus.runtime.groups import Group
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch

EVERY_SECONDS = 15.0
TAKEN_ALONG_SECONDS = EVERY_SECONDS / 2
"""Who was asked about so long ago is asked about again when another one is due: soon all are due at once."""


class StreamCounts:
    """Keeps how many messages of each Service's streams were answered in the last minute, beyond one a request."""

    def __init__(self, metrics: Metrics, clock: Clock, presets: Presets) -> None:
        self._metrics = metrics
        self._clock = clock
        self._presets = presets
        self._beside = Beside()
        self._messages: dict[tuple[str, str], float] = {}
        self._asked_at: dict[tuple[str, str], float] = {}
        """By canary: rollouts of several intervals share a source, and each is asked about in a round of its own."""

    def begin(self, watches: Sequence[Watch]) -> None:
        """Begin to ask about the canaries that have weight, where a gateway counts for them; no look waits for it.

        A source that has not answered yet is not asked again.
        """
        due = self._of_gateways(watches, asked_before=EVERY_SECONDS)
        for group, served in self._of_gateways(watches, asked_before=TAKEN_ALONG_SECONDS).items() if due else ():
            if group not in due or _named(group) in self._beside:
                continue
            self._asked_at.update(dict.fromkeys(map(_service_of, served), self._clock.now()))
            self._beside.begin(_named(group), self._ask_group(group, sorted({watch.canary for watch in served})))

    def messages(self, watch: Watch) -> float:
        """Tell what was counted for a canary."""
        return self._messages.get(_service_of(watch), 0.0)

    def forget(self, watch: Watch) -> None:
        """Drop what was counted for a canary."""
        for kept in (self._messages, self._asked_at):
            kept.pop(_service_of(watch), None)

    async def settle(self) -> None:
        """Wait until everything that was asked is answered."""
        await self._beside.settle()

    async def close(self) -> None:
        """End all asking."""
        await self._beside.close()

    def _of_gateways(self, watches: Sequence[Watch], *, asked_before: float) -> dict[Group, list[Watch]]:
        """List the canaries with weight about which nobody has asked for so long (s), by the gateways' counters."""
        groups: dict[Group, list[Watch]] = {}
        latest = self._clock.now() - asked_before
        for watch in watches:
            if watch.since is None or self._asked_at.get(_service_of(watch), -math.inf) > latest:
                continue
            group = self._presets.group_of(watch)
            if group is not None and group.provider is Provider.ISTIO:
                groups.setdefault(group, []).append(watch)
        return groups

    async def _ask_group(self, group: Group, arms: Sequence[Arm]) -> None:
        for start in range(0, len(arms), SERVICES_PER_QUERY):
            chunk = arms[start : start + SERVICES_PER_QUERY]
            answer = await self._metrics.ask(group.source, stream_query(chunk, group.scope.matchers))
            if isinstance(answer, NoAnswer):
                continue
            # Some may have ended meanwhile: what comes too late for them is of no use to anybody.
            watched = [one for arm in chunk if (one := (arm.namespace, arm.service)) in self._asked_at]
            for one in watched:
                self._messages.pop(one, None)
            for series in answer.series:
                labels = series.labels
                owner = labels.get("destination_service_namespace", ""), labels.get("destination_service_name", "")
                if owner in watched:
                    self._messages[owner] = series.samples[-1][1] if series.samples else 0.0


def _service_of(watch: Watch) -> tuple[str, str]:
    return watch.canary.namespace, watch.canary.service


def _named(group: Group) -> str:
    return f"{group.source} every {group.interval:g} s"
