"""What a soak counts as lost, and how its rounds are dealt out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from benchmarks.soak import happenings as module
from benchmarks.soak.happenings import Happenings
from benchmarks.soak.ledger import NO_ANSWER, Fate, Kind, Ledger, Outcome, fate_of
from benchmarks.soak.report import Soaked
from benchmarks.soak.rounds import Round, dealt
from benchmarks.soak.run import LONG, SHORT, Plan
from serinus_local.demo.answers import BAD

GOING = "fraud-1-x"
RESET = "gRPC stream ended: INTERNAL: Received RST_STREAM with error code 2"


def outcome(kind: Kind = Kind.KEPT, *, error: str | None = None, pod: str | None = None, at: float = 100.0) -> Outcome:
    """Describe a request to `fraud`."""
    return Outcome(at, 0.5, kind, "fraud", "fraud-1", error, pod)


def is_going(pod: str, at: float) -> bool:
    """Only one pod goes away."""
    return pod == GOING


@pytest.mark.parametrize(
    ("given", "fate"),
    [
        pytest.param(outcome(), Fate.ANSWERED, id="an answer"),
        pytest.param(outcome(error=f"HTTP 500: {BAD}"), Fate.BAD, id="the bad model's words"),
        pytest.param(outcome(error="HTTP 500: something else"), Fate.LOST, id="a 500 in other words"),
        pytest.param(outcome(error="HTTP 503: no healthy upstream"), Fate.LOST, id="no pod"),
        pytest.param(outcome(Kind.UNARY, error="gRPC UNAVAILABLE: reset"), Fate.LOST, id="a reset call"),
        pytest.param(outcome(Kind.STREAM, error=RESET, pod=GOING), Fate.TAKEN_DOWN, id="a stream whose pod goes"),
        pytest.param(outcome(Kind.STREAM, error=RESET, pod="fraud-1-y"), Fate.LOST, id="a stream whose pod stays"),
        pytest.param(outcome(Kind.STREAM, error=RESET), Fate.LOST, id="a stream that never had an answer"),
        pytest.param(outcome(Kind.STREAM, error=NO_ANSWER, pod=GOING), Fate.LOST, id="a stream that is not ended"),
    ],
)
def test_only_the_bad_model_and_the_end_of_its_own_pod_excuse_a_failure(given: Outcome, fate: Fate) -> None:
    """All else is lost."""
    assert fate_of(given, is_going) is fate


def test_each_request_is_counted_once() -> None:
    """The fates add up to what was sent."""
    ledger = Ledger()
    for one in (outcome(), outcome(Kind.FRESH), outcome(error=BAD), outcome(Kind.UNARY, error="gone")):
        ledger.add(one)
    counted = ledger.by_fate(is_going)
    assert ledger.total == sum(by_kind.total() for by_kind in counted.values()) == 4
    assert counted[Fate.ANSWERED] == {Kind.KEPT: 1, Kind.FRESH: 1}
    assert counted[Fate.LOST] == {Kind.UNARY: 1}


def test_a_pod_goes_from_its_deletion_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds are the watch's; before that its stream has no excuse. A busy caller learns late that it is gone."""
    seen, clock = Happenings(), [100.0]
    monkeypatch.setattr(module, "wall", lambda: clock[0])
    seen.see_pod(pod(), gone=False)
    clock[0] = 110.0
    seen.see_pod(pod(deletionTimestamp="2026-01-01T00:00:00Z"), gone=False)
    clock[0] = 120.0
    seen.see_pod(pod(deletionTimestamp="2026-01-01T00:00:00Z"), gone=True)
    assert [seen.is_going(GOING, at) for at in (107, 109, 115, 150)] == [False, True, True, True]
    assert [one.text for one in seen.told] == [f"pod {GOING} is {stage}" for stage in ("not ready", "going", "gone")]


def test_a_lost_request_is_told_with_what_its_model_went_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds before and after; nothing of other models."""
    seen, clock = Happenings(), [0.0]
    monkeypatch.setattr(module, "wall", lambda: clock[0])
    for at, model, text in ((90.0, "fraud", "long ago"), (99.0, "fraud", "version 2"), (99.0, "churn", "version 3")):
        clock[0] = at
        seen.tell(model, text)
    ledger = Ledger()
    ledger.add(outcome(error="HTTP 503: no healthy upstream"))
    told = list(Soaked("istio", ledger, seen).lines())
    assert "no healthy upstream" in told[-2]
    assert told[-1].split() == ["-1.00", "s", "version", "2"]


@pytest.mark.parametrize("plan", [pytest.param(LONG, id="long"), pytest.param(SHORT, id="short")])
def test_rounds_are_dealt_out_evenly_and_none_is_left(plan: Plan) -> None:
    """Each model gets as many of each kind as any other, up to one, and not all of a kind on end."""
    hands = dealt(plan.rounds, plan.models)
    counted = [Counter(hand) for hand in hands]
    assert sum(counted, Counter()) == plan.rounds
    assert all(max(hand[one] for hand in counted) - min(hand[one] for hand in counted) <= 1 for one in Round)
    assert not any(list(hand[at : at + 4]).count(hand[at]) == 4 for hand in hands for at in range(len(hand)))


def pod(**metadata: Any) -> dict[str, Any]:
    """Describe a pod of `fraud`."""
    labels = {"serinus.dev/modeldeployment": "fraud", "serinus.dev/revision": "0123456789"}
    return {"metadata": {"name": GOING, "labels": labels, **metadata}}
