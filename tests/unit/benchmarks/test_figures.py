"""How the benchmark makes numbers out of what it has seen, and whom it picks."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from benchmarks.counted import Asked, Requests, asked, told
from benchmarks.figures import Samples, flattened, more_requests, pass_ms, quantile, spread
from benchmarks.live import Load, all_at_once
from benchmarks.manifests import Mode
from benchmarks.memory import HOUR, SHORT, Flat, Plan
from benchmarks.parts import Wish
from benchmarks.reverts import drawn

BARE = frozenset[tuple[str, str]]()
APPLY = {"Content-Type": "application/apply-patch+yaml"}
MERGE = {"Content-Type": "application/merge-patch+json"}
OURS = "/apis/serinus.dev/v1alpha1/namespaces/ml/rollouts/fraud-1"


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([3.0], 0.99, 3.0, id="one value"),
        pytest.param([4.0, 1.0, 3.0, 2.0], 0.5, 3.0, id="the upper of two in the middle"),
        pytest.param([float(each) for each in range(100)], 0.99, 99.0, id="the worst of a hundred"),
        pytest.param([float(each) for each in range(1000)], 0.99, 990.0, id="ten of a thousand are worse or equal"),
        pytest.param([2.0, 1.0], 1.0, 2.0, id="all"),
    ],
)
def test_a_quantile_is_a_value_that_was_seen(values: list[float], share: float, expected: float) -> None:
    """Nothing is interpolated, and the tail is never told better than it was."""
    assert quantile(values, share) == expected


def test_nothing_has_no_quantile() -> None:
    """Where nothing was measured no number is made up."""
    with pytest.raises(ValueError, match="nothing was measured"):
        spread([])


def page(passes: float, seconds: float, **requests: float) -> Samples:
    """A page of the operator's metrics."""
    counted = {("serinus_api_requests_total", frozenset({("verb", verb)})): value for verb, value in requests.items()}
    return {("serinus_pass_seconds_count", BARE): passes, ("serinus_pass_seconds_sum", BARE): seconds, **counted}


def test_a_pass_is_the_mean_between_two_pages() -> None:
    """What was before the first page does not count."""
    assert pass_ms(page(100, 9.0), page(110, 9.05)) == pytest.approx(5.0)
    assert pass_ms(page(100, 9.0), page(100, 9.0)) == 0.0


def test_requests_are_what_was_added_by_verb() -> None:
    """A verb that is new counts in full, and one that was not used is not named."""
    assert more_requests(page(0, 0, apply=5, get=2), page(0, 0, apply=9, get=2, create=3)) == {"apply": 4, "create": 3}


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "expected"),
    [
        pytest.param("PATCH", OURS, {}, APPLY, Asked("apply", "rollouts", 200), id="an apply"),
        pytest.param("PATCH", f"{OURS}/status", {}, APPLY, Asked("apply_status", "rollouts", 200), id="of a status"),
        pytest.param("PATCH", OURS, {}, MERGE, Asked("merge", "rollouts", 200), id="a merge"),
        pytest.param("GET", OURS, {}, {}, Asked("get", "rollouts", 200), id="a look-up"),
        pytest.param("DELETE", OURS, {}, {}, Asked("delete", "rollouts", 200), id="a deletion"),
        pytest.param(
            "POST", "/api/v1/namespaces/ml/services", {}, {}, Asked("create", "services", 200), id="a creation"
        ),
        pytest.param("GET", "/api/v1/pods", {"limit": "500"}, {}, Asked("list", "pods", 200), id="a list of all"),
        pytest.param("GET", "/api/v1/pods", {"watch": "true"}, {}, Asked("watch", "pods", 200), id="a watch"),
        pytest.param("GET", "/api/v1/namespaces/ml", {}, {}, Asked("get", "namespaces", 200), id="a namespace itself"),
    ],
)
def test_a_request_is_named_as_the_client_calls_it(
    method: str, path: str, query: dict[str, str], headers: dict[str, str], expected: Asked
) -> None:
    """Core and group, one object and a collection, object and status."""
    assert asked(method, path, query, headers, 200) == expected


def test_what_comes_by_the_clock_is_not_an_objects_doing() -> None:
    """Watches, the lease and the lists of each minute are left out; answers of 404 are told apart."""
    seen = Requests(
        {
            Asked("get", "services", 404): 3,
            Asked("get", "services", 200): 1,
            Asked("apply", "services", 201): 2,
            Asked("watch", "pods", 200): 7,
            Asked("list", "rollouts", 200): 1,
            Asked("merge", "leases", 200): 4,
        }
    )
    assert told(seen) == {
        "total": 6,
        "by_verb_and_code": {"apply 201": 2, "get 200": 1, "get 404": 3},
        "by_resource": {"apply services 201": 2, "get services 200": 1, "get services 404": 3},
    }


def test_victims_are_drawn_without_repeating_one_before_all_had_their_turn() -> None:
    """So that each is live again when it is its turn, and the draw can be repeated."""
    names = [f"model-{number}" for number in range(7)]
    chosen = [*drawn(names, 20, random.Random(1))]
    assert len(chosen) == 20
    assert all(set(chosen[start : start + 7]) == set(names) for start in (0, 7))
    assert chosen == [*drawn(names, 20, random.Random(1))]
    assert chosen[:7] != names
    assert [*drawn(["one"], 3, random.Random(1))] == ["one"] * 3


def test_all_at_once_is_told_from_both_scrapes() -> None:
    """From the one that condemns, the sixteenth, and from the first bad one."""
    told_of = all_at_once([16.0, 15.5, 19.0], 15)
    assert (told_of["p50"], told_of["p99"], told_of["measured"]) == (1.0, 4.0, 3)
    assert told_of["from_first_bad_scrape"] == {"p50": 16.0, "p99": 19.0, "measured": 3}
    assert told_of["condemned_by_scrape"] == 16


def flat(*by_round: float) -> Flat:
    """A soak of rounds of two minutes with this memory in each."""
    samples = [(120.0 * number + second, mib) for number, mib in enumerate(by_round) for second in range(1, 121)]
    return Flat(Plan(5, 120.0, len(by_round)), samples, Counter(Succeeded=1))


@pytest.mark.parametrize(
    ("by_round", "holds"),
    [
        pytest.param((60, 80, 90, 95, 100, 108, 107, 109), True, id="nine per cent more"),
        pytest.param((60, 80, 90, 95, 100, 100, 100, 111), False, id="eleven per cent more"),
        pytest.param((60, 80, 90, 95, 100, 100, 100, 60), True, id="less"),
        pytest.param((60, 80, 90, 95, 100, 60, 60, 60), True, id="less since then"),
    ],
)
def test_memory_is_compared_with_what_an_operator_has_after_ten_minutes(
    by_round: tuple[float, ...], holds: bool
) -> None:
    """What it fills with in them is no growth; what it holds more at the end is."""
    assert flat(*by_round).holds is holds


@pytest.mark.parametrize("plan", [SHORT, HOUR], ids=["short", "hour"])
def test_each_form_lasts_longer_than_memory_may_grow(plan: Plan) -> None:
    """A run that only fills says nothing."""
    assert plan.judges


def test_a_shorter_run_gives_no_verdict() -> None:
    """And does not pass for flat."""
    found = flat(60, 80, 90, 95, 100)
    assert found.growth is None
    assert found.verdict == "100.0 MiB at the end; no verdict: a run must last longer than 10 minutes"


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        pytest.param(Plan(100, 60.0, 60), "the proof", id="an hour"),
        pytest.param(Plan(25, 15.0, 64), "a smoke test of 16 minutes; the proof is an hour (--hour)", id="minutes"),
    ],
)
def test_only_an_hour_is_called_proof(plan: Plan, words: str) -> None:
    """What grows slowly does not show in minutes."""
    assert plan.proves == words


def test_sizes_can_be_asked_for() -> None:
    """One load alone, at an interval of its own, is named by both."""
    (asked_for,) = Wish(live=(300,), interval="10s", victims=5).loads(Mode.DEFAULT)
    assert asked_for == Load(300, victims=5, rounds=2, interval="10s")
    assert (asked_for.key, Load(300, victims=5, rounds=2).key) == ("300 at 10s", "300")


def test_figures_are_shown_with_the_path_of_their_keys() -> None:
    """A table of everything that the JSON holds."""
    assert [*flattened({"kill": {"standby": {"load": 1.5}}, "idle_pass_ms": 0.2})] == [
        ("kill / standby / load", "1.5"),
        ("idle_pass_ms", "0.2"),
    ]


def test_what_the_limit_did_not_condemn_is_counted_apart() -> None:
    """Before its scrape something else did: no second of that is told from it."""
    told_of = all_at_once([16.0, 12.0], 15)
    assert (told_of["condemned_sooner"], told_of["p99"]) == (1, 1.0)
    assert told_of["from_first_bad_scrape"]["measured"] == 2
