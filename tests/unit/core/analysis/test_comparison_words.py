"""What a verdict of the monitor is called, and the sentence that goes with it."""

from __future__ import annotations

import pytest

from serinus.api.canary import Pace
from serinus.api.status import Verdict
from serinus.core.analysis.comparison_words import meaning_of
from serinus.core.analysis.sequential.evidence import Evidence, MonitorVerdict
from serinus.core.model.assessment import Assessment, Finding, Reason
from tests.unit.core.rollout.given import plan

LIMITS = Finding("error-rate", Verdict.SAFE, Reason.WITHIN_LIMITS, "error-rate is 0%", "the query")


@pytest.mark.parametrize(
    ("canary", "stable", "says"),
    [
        pytest.param(0.0, 900.0, "no requests for the canary at this weight, the other version has some", id="canary"),
        pytest.param(50.0, 0.0, "no requests for stable at this weight, the other version has some", id="stable"),
        pytest.param(0.0, 0.0, "no requests for either version at this weight", id="both"),
        pytest.param(50.0, 900.0, "one version has had no requests of late", id="of late"),
    ],
)
def test_want_of_traffic_names_the_side_that_gets_none(canary: float, stable: float, says: str) -> None:
    """Where to look is another thing for each."""
    evidence = {"error-rate": Evidence(n_challenger=canary, n_champion=stable)}
    answer = MonitorVerdict("Hold", "NoTraffic", "error-rate", evidence=evidence)
    guardrail = Assessment(1.0, Verdict.SAFE, Reason.WITHIN_LIMITS, LIMITS, (LIMITS,))
    found, verdict, reason = meaning_of(answer, guardrail, {}, plan().policy.analysis, Pace.TIMED)
    assert found is not None
    assert (verdict, reason) == (Verdict.UNDECIDED, Reason.NO_TRAFFIC)
    assert found.message.endswith(says)
