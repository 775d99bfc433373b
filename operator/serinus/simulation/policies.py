"""Whole policies of the product, with their guardrail, against an equal version: how often is it reverted?

The other tables measure the tests alone. Here the limit acts too, on small numbers and within seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from serinus.api.policy import ThresholdRange
from serinus.simulation.manifest.subject import Subject, default_subject
from serinus.simulation.manifest.traffic import Scenario
from serinus.simulation.tables import LEVELS, Cell, Reference
from serinus.simulation.traffic import NOISES

TABLE: Final = "policy"
RATES: Final = (0.001, 0.005)
DEFAULT: Final = "default"
HIGH_LIMIT: Final = "limit 30 %, failureLimit 2"


def policies() -> dict[str, Subject]:
    """Give the default policy, and the same with a limit that is meant for broken versions alone."""
    subject = default_subject()
    return {DEFAULT: subject, HIGH_LIMIT: _with_high_limit(subject)}


def _with_high_limit(subject: Subject) -> Subject:
    analysis = subject.policy.analysis
    changes = {"threshold_range": ThresholdRange(max="30%"), "failure_limit": 2}
    metrics = tuple(
        metric.model_copy(update=changes) if metric.threshold_range else metric for metric in analysis.metrics
    )
    changed = subject.policy.model_copy(update={"analysis": analysis.model_copy(update={"metrics": metrics})})
    return replace(subject, policy=changed)


def guarded(runs: int = 200) -> Iterator[Cell]:
    """The same error rate on both sides, in every noise, from the first weight to the end of the guard window.

    Each look is the product's own, so there are fewer of them than in the other tables; fewer still at the lowest
    traffic: there the weight does not rise, and each is looked at until the end. Sticky clients under the default
    policy have four times as many: about one rollout in a hundred is reverted, and sixty could not tell that from a
    bound of 2.5 %.
    """
    for name, subject in policies().items():
        for noise in NOISES:
            for rate in RATES:
                for level in LEVELS:
                    scenario = Scenario(noise, level, rate, rate, noise=noise)
                    most = 2.5 if noise == "sticky" else 1.5
                    yield Cell(
                        TABLE,
                        f"{noise}, {100 * rate:g} %, {level:g} req/s",
                        scenario,
                        _runs(runs, name, noise, level),
                        "conservative",
                        method=name,
                        reference=Reference(most_reverted=most),
                        subject=subject,
                    )


def _runs(runs: int, policy: str, noise: str, level: float) -> int:
    if level == LEVELS[0]:
        return runs // 4
    return 4 * runs if (policy, noise) == (DEFAULT, "sticky") else runs
