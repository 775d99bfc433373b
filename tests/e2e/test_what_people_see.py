"""What an SRE asks at three in the morning is answered by `kubectl get` and `kubectl describe`, without a manual."""

from __future__ import annotations

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster, Objects
from tests.e2e.serving import at_half, served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]


def test_get_and_describe_say_what_serves_what_is_tried_at_which_weight_and_why_it_was_reverted(
    cluster: Cluster,
) -> None:
    """Halfway: both versions, 50, Safe; after the revert: metric, value, limit, baseline, samples, and the Event."""
    with served(cluster, "seen", steps=given.UNTIL_PROMOTED) as asked:
        name = at_half(cluster, "seen", fails=given.ON_COMMAND)["metadata"]["name"]
        halfway = row(cluster, "mdep", "seen")
        asked.ask_for(given.BREAKING)
        cluster.rollout("seen", 2, lambda status: status.get("phase") == "Reverted", what="the revert")
        asked.ask_for((1.0, 2.0, 3.0, 4.0))
        cluster.deployed("seen", lambda status: status.get("reason") == "RevisionRejected", what="the summary")
        cluster.wait("Event", "", was_reverted, what="the Event", by="")
        settled = row(cluster, "mdep", "seen")
        reverted, told = row(cluster, "mro", name), cluster.kubectl("describe", "mro", name)
        described = cluster.kubectl("describe", "mdep", "seen")
    assert (halfway["SERVING"].partition("@")[0], halfway["TRYING"].partition("@")[0]) == ("1", "2")
    assert (halfway["CANARY"], halfway["VERDICT"]) == ("50%", "Safe")
    assert [reverted[column] for column in ("FROM", "TO", "ATTEMPT", "CANARY", "PHASE", "VERDICT")] == [
        "1", "2", "1", "0%", "Reverted", "Unsafe",
    ]  # fmt: skip
    assert [settled[column] for column in ("TRYING", "PHASE", "VERDICT", "REASON")] == [
        "", "Serving", "", "RevisionRejected",
    ]  # fmt: skip
    for word in ("error-rate", "Limit:", "Value:", "Baseline:", "Samples:", "RolloutReverted"):
        assert word in told
    assert "RevisionRejected" in described
    assert "set spec.retry" in described


def was_reverted(events: Objects) -> bool:
    """Tell whether an Event says so."""
    return any(event["reason"] == "RolloutReverted" for event in events.values())


def row(cluster: Cluster, kind: str, name: str) -> dict[str, str]:
    """Read one line of `kubectl get` by its columns; an empty cell stays empty."""
    head, line = cluster.kubectl("get", kind, name).splitlines()
    columns = head.split()
    starts = [head.index(f" {column}") + 1 if at else 0 for at, column in enumerate(columns)]
    ends = [*starts[1:], len(line)]
    return {column: line[start:end].strip() for column, start, end in zip(columns, starts, ends, strict=True)}
