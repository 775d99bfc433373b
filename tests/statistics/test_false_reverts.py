"""Looking at every scrape must not revert a model that is as good as the other (STATISTICS 4.1), in any noise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy import stats

from serinus.simulation.closed_loop import LoopPolicy, run_closed_loop
from serinus.simulation.guardrail import Guardrail
from serinus.simulation.judge import Judgement
from serinus.simulation.peers import PEERS
from serinus.simulation.play import Played, play
from serinus.simulation.policies import DEFAULT, HIGH_LIMIT, RATES, guarded
from serinus.simulation.ramp import run_ramp
from serinus.simulation.tables import Cell, Path
from serinus.simulation.traffic import NOISES, ErrorWorkload, Noise

RUNS = 2000
SEED = 20261

HISTORY: list[tuple[Noise, float]] = [
    ("iid", 100),
    ("burst", 10),
    ("burst", 100),
    ("burst", 1000),
    ("wobble", 1000),
    ("outage", 100),
    ("diurnal", 1000),
    ("sticky", 100),
]
CONSERVATIVE: list[tuple[Noise, float]] = [*HISTORY, ("iid", 1), ("outage", 1000), ("sticky", 1000)]


def upper_limit(played: Played) -> float:
    """Clopper-Pearson 95 % upper limit of the share of reverted rollouts, per cent."""
    reverted = round(played.reverted_percent * played.runs / 100)
    return 100.0 * float(stats.beta.ppf(0.95, reverted + 1, played.runs - reverted))


def false_reverts(noise: Noise, level: float, path: Path, pods: int = 10) -> Played:
    return play(
        Cell("test", f"{noise} {level}", ErrorWorkload(level, 0.005, 0.005, noise, pods=pods), RUNS, path), SEED
    )


@pytest.mark.parametrize(("noise", "level"), HISTORY)
def test_with_history_an_equal_model_stays(noise: Noise, level: float) -> None:
    played = false_reverts(noise, level, "history")
    assert played.reverted_percent <= 1.0
    assert upper_limit(played) <= 1.5


@pytest.mark.parametrize(("noise", "level"), CONSERVATIVE)
def test_without_history_an_equal_model_stays(noise: Noise, level: float) -> None:
    played = false_reverts(noise, level, "conservative")
    assert played.reverted_percent <= (1.5 if noise == "sticky" else 1.0)
    assert upper_limit(played) <= (2.5 if noise == "sticky" else 1.5)


@pytest.mark.parametrize("path", ["history", "conservative"])
def test_few_pods_with_rates_of_their_own_stay(path: Path) -> None:
    assert upper_limit(false_reverts("wobble", 1000, path, pods=3)) <= 1.5


@pytest.mark.parametrize("path", ["history", "conservative"])
@pytest.mark.parametrize("noise", ["sticky", "burst"])
def test_scrapes_of_a_second_are_no_more_proofs_than_scrapes_of_five(noise: Noise, path: Path) -> None:
    workload = ErrorWorkload(100, 0.005, 0.005, noise, scrape_s=1.0)
    assert upper_limit(play(Cell("test", f"{noise} fast", workload, 400, path), SEED)) <= 3.0


TIMED = LoopPolicy((0.05, 0.25, 0.5), pace="timed", pauses_s=(60.0, 60.0, 60.0))
BESIDE = Guardrail(0.3, failure_limit=2)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("noise", NOISES)
def test_a_high_limit_beside_the_tests_condemns_no_equal_model(noise: Noise, rate: float) -> None:
    workload, policy = ErrorWorkload(100, rate, rate, noise), replace(TIMED, guardrail=BESIDE)
    result = run_closed_loop(workload, 400, SEED, Judgement(history=False), policy)
    assert result.reverted.mean() <= 0.01
    assert result.promoted.mean() >= 0.99


PLAYED = 8
"""Each look of these is the product's own: `make bench-statistics` plays hundreds a cell."""


def policy_cell(method: str, label: str) -> Cell:
    return next(cell for cell in guarded(PLAYED) if (cell.method, cell.label) == (method, label))


@pytest.mark.parametrize("label", ["iid, 0.1 %, 100 req/s", "burst, 0.5 %, 100 req/s", "outage, 0.5 %, 100 req/s"])
def test_the_products_own_looks_promote_an_equal_model_through_its_guard_window(label: str) -> None:
    played = play(policy_cell(HIGH_LIMIT, label), SEED)
    assert (played.reverted_percent, played.promoted_percent) == (0.0, 100.0)


def test_the_default_limit_costs_what_the_page_says() -> None:
    """5 % is above chance at this traffic, and below what an outage does in the guard window."""
    assert play(policy_cell(DEFAULT, "iid, 0.5 %, 100 req/s"), SEED).reverted_percent == 0.0
    outage = play(policy_cell(DEFAULT, "outage, 0.5 %, 1000 req/s"), SEED)
    assert outage.reverted_percent == 100.0
    assert outage.in_guard.mean() > 0.9


@pytest.mark.parametrize("method", ["independent", "naive z"])
def test_the_simulation_can_fail_a_method(method: str) -> None:
    result = run_ramp(ErrorWorkload(100, 0.005, 0.005, "burst"), 200, 1, PEERS[method])
    assert result.reverted >= 0.4


def test_the_rules_of_other_tools_do_what_their_documentation_says() -> None:
    def reverted(name: str, level: float, rate: float, noise: Noise = "iid") -> tuple[float, float | None]:
        result = run_ramp(ErrorWorkload(level, 0.005, rate, noise), 200, 2, PEERS[name])
        return 100.0 * result.reverted, result.seconds(50)

    assert reverted("Argo 95/3 pass", 1000, 0.5) == (100.0, 240.0)
    assert reverted("Flagger", 1000, 0.5) == (100.0, 300.0)
    assert reverted("Argo 95/3 fail", 1, 0.005)[0] > 80.0
    assert reverted("Argo 95/3 pass", 100, 0.01)[0] == 0.0
    assert reverted("Kayenta", 1000, 0.5) == (100.0, 600.0)
