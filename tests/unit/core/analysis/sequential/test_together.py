"""Many rollouts weighed at once: each gets the verdict that it gets alone, whoever stands beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serinus.core.analysis import MetricConfig, MonitorConfig, RolloutMonitor
from serinus.core.analysis.sequential import together
from serinus.core.analysis.sequential.evidence import MonitorVerdict
from serinus.core.analysis.sequential.lesson import Lesson
from serinus.core.analysis.sequential.promotion import StageCounts
from serinus.core.analysis.sequential.reckoning import Reckoning
from serinus.core.analysis.sequential.state import Bank
from serinus.core.analysis.sequential.together import observe_together

DEFAULT = (
    MetricConfig("errors", limit=0.05),
    MetricConfig("errors/4xx"),
    MetricConfig("latency", "latency", bounds_s=(0.1, 0.2)),
)
SLOWER = (*DEFAULT[:2], MetricConfig("latency", "latency", bounds_s=(0.5, 2.0), quantile=0.9, tolerance=0.2))
LENIENT = (MetricConfig("errors", limit=0.5, tolerance=1.0), *DEFAULT[1:])
NO_LIMIT = (MetricConfig("errors"), *DEFAULT[1:])
TWO_LATENCIES = (*DEFAULT, MetricConfig("tokens", "latency", bounds_s=(0.01, 0.1, 1.0)))
DRIFT = (DEFAULT[0], MetricConfig("drift", "drift", bins=3))
NUMBER = (DEFAULT[0], MetricConfig("queue", "scalar"))
ERRORS = DEFAULT[:1]
POLICIES = DEFAULT, DEFAULT, SLOWER, LENIENT, NO_LIMIT, TWO_LATENCIES, DRIFT, NUMBER, ERRORS

pair = st.tuples(st.integers(0, 400), st.integers(0, 30))
share = st.one_of(
    st.none(),
    st.fixed_dictionaries({"challenger": pair, "champion_a": pair, "champion_b": pair}),
    st.fixed_dictionaries({"challenger": pair, "champion": pair}),
)


def counts(size: int) -> st.SearchStrategy[Any]:
    side = st.lists(st.integers(0, 400), min_size=size, max_size=size)
    return st.one_of(st.none(), st.tuples(side, side))


ANSWERS: dict[str, st.SearchStrategy[Any]] = {
    "errors": share,
    "errors/4xx": share,
    "latency": counts(3),
    "tokens": counts(4),
    "drift": counts(3),
    "queue": st.one_of(st.none(), st.tuples(st.floats(0, 9), st.floats(0, 9))),
}


@st.composite
def rollouts(draw: st.DrawFn) -> tuple[tuple[MetricConfig, ...], float, list[tuple[float, Any, bool]]]:
    """What one rollout is judged by, how often it is scraped, and what each scrape says, and begins a stage."""
    metrics = draw(st.sampled_from(POLICIES))
    answer = st.fixed_dictionaries({metric.name: ANSWERS[metric.name] for metric in metrics})
    gap = st.sampled_from([1.0, 5.0, 5.0, 20.0, 70.0])
    feed = draw(st.lists(st.tuples(gap, answer, st.booleans()), min_size=8, max_size=8))
    return metrics, draw(st.sampled_from([1.0, 5.0, 15.0])), feed


def monitor(metrics: tuple[MetricConfig, ...], every: float, pace: Any) -> RolloutMonitor:
    started = RolloutMonitor(MonitorConfig(metrics, scrape_interval_s=every, pace=pace))
    started.start_stage(10, 50, 0.0)
    return started


def numbers(state: Any) -> Iterator[Any]:
    """Give all that a state holds, one by one."""
    if isinstance(state, dict):
        for name in sorted(state):
            yield name
            yield from numbers(state[name])
    elif isinstance(state, list):
        for each in state:
            yield from numbers(each)
    else:
        yield state


def assert_same(one: MonitorVerdict, other: MonitorVerdict) -> None:
    assert (one.action, one.reason, one.metric, one.outdone) == (
        other.action,
        other.reason,
        other.metric,
        other.outdone,
    )
    assert one.e_total == pytest.approx(other.e_total, rel=1e-9)
    assert one.evidence.keys() == other.evidence.keys()
    for name, evidence in one.evidence.items():
        assert evidence.e_value == pytest.approx(other.evidence[name].e_value, rel=1e-9)
        assert evidence.status == other.evidence[name].status


@settings(max_examples=30, deadline=None)
@given(st.lists(rollouts(), min_size=2, max_size=6), st.sampled_from(["timed", "evidence"]), st.data())
def test_a_rollout_is_judged_as_if_it_were_alone(
    fleet: Sequence[tuple[tuple[MetricConfig, ...], float, Any]], pace: str, data: st.DataObject
) -> None:
    """Whatever the batch: some are left out of it, their stages and cells begin when they do, and some fit nobody."""
    alone = [monitor(metrics, every, pace) for metrics, every, _ in fleet]
    among = [monitor(metrics, every, pace) for metrics, every, _ in fleet]
    now = [0.0] * len(fleet)
    for turn in range(8):
        batch = data.draw(st.sets(st.integers(0, len(fleet) - 1), min_size=1))
        fed = []
        for place in sorted(batch):
            gap, answers, new_stage = fleet[place][2][turn]
            now[place] += gap
            among[place] = among[place].branch()
            for one in (alone[place], among[place]):
                if new_stage:
                    one.start_stage(30, 50, now[place] - gap / 2)
            fed.append((among[place], (now[place], answers)))
        for place, verdict in zip(sorted(batch), observe_together(fed), strict=True):
            _, (t, answers) = fed[sorted(batch).index(place)]
            assert_same(verdict, alone[place].observe(t, answers))
    for one, other in zip(alone, among, strict=True):
        for own, theirs in zip(numbers(other.to_dict()), numbers(one.to_dict()), strict=True):
            assert own == (pytest.approx(theirs, rel=1e-9) if isinstance(theirs, float) else theirs)


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many were weighed in each stack."""
    sizes: list[int] = []
    weigh = together._weigh

    def counted(due: Sequence[Any]) -> None:
        sizes.append(len(due))
        weigh(due)

    monkeypatch.setattr(together, "_weigh", counted)
    return sizes


def taught(seed: int) -> RolloutMonitor:
    """Make one that knows stable's past, which is another for each."""
    rng, one = np.random.default_rng(seed), monitor(DEFAULT, 5.0, "timed")
    errors, latency = Lesson((), 5.0), Lesson((0.1, 0.2), 5.0)
    requests = rng.poisson(rng.uniform(50, 400), size=300).astype(float)
    burst = rng.gamma(2.0, 0.5, size=300)
    errors.take(np.stack([requests, rng.binomial(requests.astype(int), np.minimum(0.02 * burst, 0.5))], axis=1))
    latency.take(np.array([rng.multinomial(int(each), [0.9, 0.08, 0.02]) for each in requests], dtype=float))
    one.learn({"errors": errors, "latency": latency})
    return one


def scrape(rng: np.random.Generator) -> dict[str, Any]:
    """What a scrape says of a canary and of stable; now and then of none of them."""
    own, other = (int(rng.poisson(rate)) for rate in (40, 400))
    told = {"challenger": (own, int(rng.binomial(own, 0.05))), "champion": (other, int(rng.binomial(other, 0.02)))}
    times = tuple(rng.multinomial(requests, [0.9, 0.08, 0.02]).tolist() for requests in (own, other))
    return {"errors": told, "errors/4xx": None if rng.random() < 0.1 else told, "latency": times}


def test_dozens_that_know_their_past_are_weighed_as_one_stack_and_each_as_if_it_were_alone(stacks: list[int]) -> None:
    """Before and after a restart of the operator, which reads each anew."""
    alone, among = [taught(seed) for seed in range(48)], [taught(seed) for seed in range(48)]
    for turn in range(1, 25):
        if turn == 12:
            among = [RolloutMonitor.from_dict(one.to_dict(), one.config) for one in among]
        told = [(5.0 * turn, scrape(np.random.default_rng((turn, place)))) for place in range(48)]
        for one, answers, verdict in zip(
            alone, told, observe_together(list(zip(among, told, strict=True))), strict=True
        ):
            assert_same(verdict, one.observe(*answers))
    assert max(stacks) == 48
    assert sum(stacks) >= 10 * 48


def arrays(owner: object) -> Iterator[Any]:
    """Give all arrays that a value holds."""
    if isinstance(owner, np.ndarray):
        yield owner
    elif isinstance(owner, list | tuple):
        for each in owner:
            yield from arrays(each)
    elif isinstance(owner, StageCounts):
        yield from owner.columns()
    elif isinstance(owner, Bank | Reckoning):
        for value in vars(owner).values():
            yield from arrays(value)


def test_nobody_keeps_the_memory_of_those_it_was_weighed_beside() -> None:
    """One that gets no more requests keeps what is its own, however long."""
    fleet, told = [monitor(DEFAULT, 5.0, "timed") for _ in range(3)], ((50, 1), (450, 9))
    for t in (5.0, 10.0, 15.0):
        shares = {name: {"challenger": told[0], "champion": told[1]} for name in ("errors", "errors/4xx")}
        observe_together([(one, (t, {**shares, "latency": ([40, 9, 1], [400, 45, 5])})) for one in fleet])
    tests, known = fleet[0].tests, fleet[0].reckoning
    found = list(arrays([tests.shares, tests.latencies, known]))
    assert len(found) > 30
    assert not [each for each in found if each.base is not None and each.base.nbytes > each.nbytes]
