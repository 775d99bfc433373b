"""`backtest`: what a policy would have said of what has happened."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from serinus.cli.backtest.command import replayed_from
from serinus.cli.backtest.fetch import TimeRange, fetch
from serinus.cli.backtest.options import BacktestOptions
from serinus.cli.backtest.page import sentence, written
from serinus.cli.errors import Refused
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer
from serinus.core.model.source import Source
from serinus.simulation.manifest.subject import Subject
from tests.unit.cli.backtest_given import START, Past
from tests.unit.simulation.given import ERRORS, subject

OLD, NEW, NEWER = "m-aaaa", "m-bbbb", "m-cccc"
GOOD = 0.002
NOWHERE = Source("nowhere", "http://nowhere")


def rollout(past: Past, old: str, new: str, errors: float) -> Past:
    """One change of revision: ten per cent, a half, all."""
    past.serve(300, {old: (100.0, GOOD)})
    past.serve(120, {old: (90.0, GOOD), new: (10.0, errors)})
    past.serve(120, {old: (50.0, GOOD), new: (50.0, errors)})
    return past.serve(120, {new: (100.0, errors)})


def options(past: Past) -> BacktestOptions:
    return BacktestOptions(NOWHERE, START, past.now)


def policy() -> Subject:
    return subject(metrics=[{**ERRORS, "thresholdRange": {"max": "50%"}}])


def test_a_worse_revision_would_have_been_reverted() -> None:
    """Three per cent of errors are under the limit of fifty; the comparison finds them."""
    past = rollout(Past(), OLD, NEW, 0.03)
    (found,) = replayed_from(past, policy(), options(past))
    assert (found.stable, found.canary, found.reverted, found.reason) == (OLD, NEW, True, "Worse")
    assert found.reverted_at is not None
    assert found.reverted_at - found.started < 200


def test_an_equal_revision_would_have_come_through() -> None:
    """And the weights of the past are read off its traffic."""
    past = rollout(Past(), OLD, NEW, GOOD)
    (found,) = replayed_from(past, policy(), options(past))
    assert not found.reverted
    assert found.weights == (10, 50, 100)
    assert found.wrong < 30


def test_every_change_of_revision_is_a_rollout() -> None:
    """In the order in which they were."""
    past = rollout(rollout(Past(), OLD, NEW, GOOD), NEW, NEWER, 0.6)
    found = replayed_from(past, policy(), options(past))
    assert [(one.stable, one.canary, one.reverted) for one in found] == [(OLD, NEW, False), (NEW, NEWER, True)]
    assert found[1].reason == "LimitExceeded"


def test_what_was_promoted_a_minute_ago_is_stable() -> None:
    """And not what it replaced, which had more requests in the minutes before."""
    past = rollout(Past(), OLD, NEW, GOOD)
    past.serve(60, {NEW: (100.0, GOOD)})
    past.serve(60, {NEW: (90.0, GOOD), NEWER: (10.0, 0.6)})
    last = replayed_from(past, policy(), options(past))[-1]
    assert (last.stable, last.canary, last.reverted) == (NEW, NEWER, True)


@pytest.mark.parametrize(
    ("seconds", "rate", "errors"),
    [(10, 40.0, 0.9), (5, 60.0, 0.9), (15, 800.0, 0.9)],
    ids=["two scrapes", "one", "busy"],
)
def test_a_canary_that_was_out_within_seconds_is_judged(seconds: int, rate: float, errors: float) -> None:
    """Its last scrape condemned it, and the look that did so came after it."""
    past = Past().serve(300, {OLD: (rate, GOOD)})
    past.serve(seconds, {OLD: (0.9 * rate, GOOD), NEW: (0.1 * rate, errors)})
    past.serve(120, {OLD: (rate, GOOD)})
    (found,) = replayed_from(past, policy(), options(past))
    assert found.looks > 0
    assert found.weights == (10,)
    assert (found.reverted, found.reason, found.metric) == (True, "LimitExceeded", "error-rate")


@pytest.mark.parametrize("seed", range(6))
def test_every_scrape_is_looked_at_before_the_next_one_comes(seed: int) -> None:
    """Scrapes are some milliseconds late: what broke in one of them is not taken for a burst within two."""
    past = Past(seed, late_s=0.01).serve(300, {OLD: (80.0, GOOD)})
    past.serve(5, {OLD: (72.0, GOOD), NEW: (8.0, 0.9)})
    past.serve(5, {OLD: (72.0, GOOD), NEW: (8.0, 0.0)})
    past.serve(60, {OLD: (80.0, GOOD)})
    (found,) = replayed_from(past, policy(), options(past))
    assert (found.reverted, found.reason, found.metric) == (True, "LimitExceeded", "error-rate")


@pytest.mark.parametrize("seconds", [73, 76, 79])
def test_what_came_last_is_weighed_although_its_block_ends_later(seconds: int) -> None:
    """Evidence counts in blocks of scrapes, and live the block may have ended a scrape earlier."""
    past = Past(step_s=1.0).serve(100, {OLD: (100.0, GOOD)})
    past.serve(seconds, {OLD: (90.0, GOOD), NEW: (10.0, 0.05)})
    past.serve(60, {OLD: (100.0, GOOD)})
    often = subject(metrics=[{**ERRORS, "thresholdRange": {"max": "50%"}}], analysis={"interval": "1s"})
    (found,) = replayed_from(past, often, options(past))
    assert (found.weights, found.reverted, found.reason) == ((10,), True, "Worse")


def test_the_end_of_the_record_is_no_blindness() -> None:
    """A good canary was live until its last sample, and the policy reverts what is not seen for ten seconds."""
    past = Past(step_s=1.0).serve(100, {OLD: (100.0, GOOD)})
    past.serve(90, {OLD: (90.0, GOOD), NEW: (10.0, GOOD)})
    blind = {"interval": "1s", "onBlind": "Revert", "blindTimeout": "10s"}
    (found,) = replayed_from(past, subject(analysis=blind), options(past))
    assert (found.reverted, found.weights) == (False, (10,))


def test_a_first_weight_begins_with_the_time_of_its_first_scrape() -> None:
    """Of that time the canary had only a part, as the weight was set in the middle of it."""
    past = Past().serve(300, {OLD: (100.0, GOOD)})
    past.serve(5, {OLD: (97.0, GOOD), NEW: (3.0, GOOD)})
    past.serve(115, {OLD: (92.5, GOOD), NEW: (7.5, GOOD)})
    (found,) = replayed_from(past, policy(), options(past))
    assert (found.weights, found.started) == ((10,), START + 300.0)


@pytest.mark.parametrize(("errors", "reason"), [(0.03, "Worse"), (GOOD, "WithinLimits")], ids=["worse", "equal"])
def test_a_ratio_is_asked_for_as_of_each_look(errors: float, reason: str) -> None:
    """Its counters are read and compared as the operator would have done then."""
    all_of = 'istio_requests_total{reporter="source",destination_service_name="{{service}}"'
    counters = {"query": f'sum({all_of},response_code="500"}})', "of": f"sum({all_of}}})"}
    ratio = {"name": "failed", "type": "Ratio", **counters, "thresholdRange": {"max": "50%"}}
    past = rollout(Past(), OLD, NEW, errors)
    (found,) = replayed_from(past, subject(metrics=[ratio]), options(past))
    assert (found.reverted, found.reason) == (reason == "Worse", reason)
    assert "failed is" in found.message


def test_what_served_from_the_start_is_no_rollout() -> None:
    """A record that begins in the middle shows no change."""
    past = Past().serve(600, {OLD: (50.0, GOOD)})
    assert replayed_from(past, policy(), options(past)) == ()
    assert sentence(policy(), (), pods=False).endswith("no revision changed in that time range.")


def test_one_revision_against_itself() -> None:
    """Each pod is a canary once in each stretch: an error rate that all share reverts none."""
    past = Past().serve(1300, {OLD: (40.0, 0.02)}, pods=3)
    found = replayed_from(past, policy(), replace(options(past), pods=True))
    assert len(found) == 6
    assert not any(one.reverted for one in found)
    assert {one.weights for one in found} == {(33,)} or all(30 <= one.weights[0] <= 36 for one in found)


def test_only_the_named_services_are_asked_for() -> None:
    """Other people's series are not fetched."""
    past = rollout(Past(), OLD, NEW, GOOD)
    replayed_from(past, policy(), replace(options(past), services=(OLD, NEW)))
    assert f'destination_service_name=~"{OLD}|{NEW}"' in past.asked[0]


def test_no_series_is_said() -> None:
    """An empty answer is a wrong name more often than a quiet night."""
    with pytest.raises(Refused, match="no istio series in that time range"):
        replayed_from(Past(), policy(), BacktestOptions(NOWHERE, START, START + 60))


def test_json_carries_every_rollout() -> None:
    """A script can count."""
    past = rollout(Past(), OLD, NEW, 0.03)
    found = replayed_from(past, policy(), options(past))
    told = json.loads(written(policy(), found, sentence(policy(), found, pods=False)))
    assert told["sentence"] == "Of 1 past rollouts the policy would have reverted 1 (Worse 1)."
    assert told["rollouts"][0]["revertedAt"].startswith("2026-01-01T00:0")


async def test_a_long_time_is_asked_for_in_chunks() -> None:
    """No answer is larger than a proxy lets through, and no sample is missed or doubled."""
    past = Past().serve(7500, {OLD: (0.1, 0.0)}, pods=1)
    found = await fetch(past, "istio_requests_total", TimeRange(START, past.now))
    assert len(past.asked) == 9
    assert all([at for at, _ in one.samples] == sorted({at for at, _ in one.samples}) for one in found)
    assert max(len(one.samples) for one in found) == 1500


async def test_a_refusal_is_an_error() -> None:
    """Half a record would look like a quiet one."""

    class Down:
        async def ask(self, query: str, at: float | None = None) -> MetricsAnswer:
            return NoAnswer(Failure.UNREACHABLE, "connection refused")

    with pytest.raises(Refused, match="Prometheus does not answer: connection refused"):
        await fetch(Down(), "up", TimeRange(0.0, 60.0))
