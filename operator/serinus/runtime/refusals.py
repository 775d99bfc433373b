"""Tries each user query once when its ModelDeployment is first seen, so that invalid PromQL is reported then and not by
the first rollout that needs it. A source that does not answer has refused nothing and is tried again later.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from serinus.api.parsing import ModelDeploymentView
from serinus.api.policy import Metric
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.readings import is_wrong_query
from serinus.core.model.answers import NoAnswer
from serinus.core.model.assessment import Reason
from serinus.core.model.identity import Key
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle
from serinus.runtime.memory import Memory, Questions
from serinus.runtime.own_queries import renderings
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.probes import Probes

RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class Refusals:
    """Remembers in each ModelDeployment's Memory which queries were asked, and what was refused."""

    metrics: Metrics
    clock: Clock
    probes: Probes

    def look(self, view: ModelDeploymentView, memory: Memory, revision: Revision) -> Obstacle | None:
        """Say which query is refused, as far as it is known; ask those that have not been asked as they stand now."""
        queries = tuple(one for one in (view.spec.analysis.metrics if view.spec.analysis else ()) if one.query)
        wish = tuple((one.name, one.source, one.query, one.of, one.window) for one in queries)
        known = memory.questions
        if known.wish != wish or (known.ask_again_at is not None and self.clock.now() >= known.ask_again_at):
            # What was refused stays so while it is asked again; of other queries nothing is known yet.
            asked = Questions(wish, known.refusal if known.wish == wish else None)
            memory.questions = asked
            if queries:
                arm = Arm(view.namespace, view.name, revision.hash, revision.name)
                self.probes.beside(self._ask(Key(view.namespace, view.name), memory, asked, arm, queries))
        return memory.questions.refusal

    async def _ask(self, key: Key, memory: Memory, asked: Questions, arm: Arm, queries: tuple[Metric, ...]) -> None:
        default = self.metrics.names()[0]
        written = [(one, *each) for one in queries for each in renderings(one, arm, None).items()]
        answers = await asyncio.gather(
            *(self.metrics.ask(one.source or default, query, own=key.namespace) for one, _, query in written)
        )
        if memory.questions is not asked:
            return
        failed = [
            (one, field, answer)
            for (one, field, _), answer in zip(written, answers, strict=True)
            if isinstance(answer, NoAnswer)
        ]
        refused = next((one for one in failed if is_wrong_query(one[2])), None)
        refusal = None if refused is None else Obstacle(Reason.REFUSED, _sentence(*refused))
        again = self.clock.now() + RETRY_SECONDS if failed and refused is None else None
        memory.questions = Questions(asked.wish, refusal, again)
        if refusal != asked.refusal:
            self.probes.wake(key)


def _sentence(metric: Metric, field: str, answer: NoAnswer) -> str:
    return f"metric {metric.name}: Prometheus refuses its {field}: {answer.message}: correct it in spec.analysis"
