"""What a team chooses of how a canary is judged, as words: each is a field of an analysis or of a metric."""

from __future__ import annotations

from enum import StrEnum


class OnBlind(StrEnum):
    """What to do after `blindTimeout` without metrics."""

    HOLD = "Hold"
    REVERT = "Revert"


class ClientErrors(StrEnum):
    """Whether 4xx answers count as errors: only beyond stable's share, always, or never."""

    COMPARE = "Compare"
    COUNT = "Count"
    IGNORE = "Ignore"


class Mode(StrEnum):
    """How a canary is judged: by a test that stays valid at every evaluation, with the limits as guardrails, or by the
    limits only."""

    SEQUENTIAL = "Sequential"
    THRESHOLD = "Threshold"


class OnMaxHold(StrEnum):
    """What to do when a weight has been held for `maxHold`."""

    HOLD = "Hold"
    REVERT = "Revert"


class QueryType(StrEnum):
    """What a user's query returns: one number, a counter for each bin of a distribution, or a counter of events."""

    SCALAR = "Scalar"
    DISTRIBUTION = "Distribution"
    RATIO = "Ratio"
