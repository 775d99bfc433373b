"""What the simulation makes of a manifest."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from serinus.api.crds import ROOT
from serinus.simulation.closed_loop import LoopPolicy, run_closed_loop
from serinus.simulation.judge import Judgement
from serinus.simulation.manifest.advice import advice, least_samples
from serinus.simulation.manifest.odds import odds_of
from serinus.simulation.manifest.play import Job, chunks, play
from serinus.simulation.manifest.subject import PlannedStage, UnusableManifest, read_subject
from serinus.simulation.manifest.traffic import Scenario
from serinus.simulation.manifest.walk import Outcome, joined
from serinus.simulation.traffic import ErrorWorkload
from tests.unit.simulation.given import ERRORS, manifest, subject

pytestmark = pytest.mark.timeout(600)

STEPS = [{"setWeight": 5}, {"pause": {"duration": "1m"}}, {"pause": {}}, {"setWeight": 50}]
RAMP = [{"setWeight": weight} for weight in (1, 5, 25, 50)]


def test_pauses_add_up_and_the_last_stage_is_the_guard_window() -> None:
    """A pause without a duration is as long as a person takes."""
    assert subject(steps=STEPS).stages(300.0) == (
        PlannedStage(5, 360.0),
        PlannedStage(50, 0.0),
        PlannedStage(100, 30.0),
    )


def test_pace_evidence_waits_for_people_alone() -> None:
    """Its other pauses are passed over, as live."""
    assert subject(steps=STEPS, pace="Evidence").stages(300.0)[0] == PlannedStage(5, 300.0)


def test_one_of_several_is_chosen_by_name() -> None:
    """A file of two needs a name."""
    both = manifest() + "---\n" + manifest().replace("name: m\n", "name: n\n")
    assert read_subject(both, "n").name == "n"
    with pytest.raises(UnusableManifest, match="with --name; the file has: m, n"):
        read_subject(both)


def test_a_budget_that_can_never_promote_is_refused() -> None:
    """With the product's own words."""
    with pytest.raises(UnusableManifest, match="can never promote"):
        subject(analysis={"riskBudget": "0"}).monitor()


def test_no_answer_depends_on_how_the_work_is_cut() -> None:
    """Each part draws its own traffic, whoever plays it and by whose rule."""
    job = Job(subject(), Scenario("no change", 20.0, 0.01, 0.01), 25, 1)
    assert [part.runs for part in chunks(job)] == [10, 10, 5]
    assert len({part.own_seed for part in chunks(job)}) == 3
    assert {part.own_seed for part in chunks(job)} == {
        part.own_seed for part in chunks(Job(job.subject, job.scenario, 25, 1, rule="Flagger"))
    }


@pytest.mark.parametrize(("limit", "rate", "samples"), [(0.05, 0.001, 40), (0.02, 0.001, 150)])
def test_the_advised_minimum_rides_out_single_errors(limit: float, rate: float, samples: int) -> None:
    """As few as one look in ten thousand is over the limit."""
    found = least_samples(limit, rate)
    assert found is not None
    assert abs(found - samples) <= 20


def test_a_limit_that_one_error_breaks_is_pointed_out() -> None:
    """Ten samples and two per cent: a single error reverts."""
    nervous = subject(metrics=[{**ERRORS, "thresholdRange": {"max": "2%"}, "minSamples": 10}])
    nothing = np.full(20, np.inf)
    lost = Outcome(
        np.full(20, 5.0), np.ones(20, dtype=np.bool_), nothing, nothing, *np.zeros((2, 20)), np.full(20, "x")
    )
    good = odds_of("Serinus", Scenario("no change", 100.0, 0.001, 0.001), lost)
    (told,) = [line for line in advice(nervous, [good], 600.0) if "minSamples" in line]
    assert told.endswith(
        "with minSamples 10, 1 wrong answer is already over max 2%. With minSamples 150 it hardly ever would."
    )


def test_the_odds_agree_with_the_tables() -> None:
    """The closed loop of the statistics page, played as a manifest: the same times and the same price."""
    errors = {**ERRORS, "clientErrors": "Ignore", "minSamples": 1, "thresholdRange": {"max": "20%"}}
    played = subject(metrics=[errors], steps=RAMP, pace="Evidence", guard="0s")
    judgement = Judgement(limit=0.2, error_weight=0.5, limit_weight=0.5, history=False)
    for rate in (0.001, 0.01):
        jobs = chunks(Job(played, Scenario("x", 100.0, 0.001, rate), 8, 3, longest_s=7200.0))
        mine = joined([play(job) for job in jobs])
        table = run_closed_loop(ErrorWorkload(100.0, 0.001, rate), 500, 4, judgement, LoopPolicy(longest_s=21600.0))
        ends = np.minimum(mine.reverted_s, mine.promoted_s)
        assert np.isfinite(mine.promoted_s).mean() == pytest.approx(table.promoted.mean(), abs=0.02)
        assert np.median(ends) == pytest.approx(np.median(table.decided_s), rel=0.15)
        assert np.median(mine.wrong) == pytest.approx(np.median(table.wrong_answers), abs=2.0)


def test_cohorts_are_left_out_with_the_pauses_that_only_they_see() -> None:
    """Made-up requests carry no headers; the steps from the first weight on are played."""
    cohort = {"setHeaderRoute": {"match": [{"headerName": "x-tier", "headerValue": {"exact": "premium"}}]}}
    pause = {"pause": {"duration": "1m"}}
    steps = [cohort, pause, {"setWeight": 10}, cohort, pause]
    found = subject(steps=steps)
    assert found.stages(0.0)[0] == PlannedStage(10, 60.0)
    assert found.left_out_verbs == ("setHeaderRoute",)
    alone = subject(steps=[cohort, pause])
    assert [one.weight for one in alone.stages(0.0)] == [100]


def test_copies_are_left_out_with_the_pause_in_which_nobody_is_answered() -> None:
    """Nobody counts made-up copies: what never passes a shadow stage would never be promoted."""
    pause = {"pause": {"duration": "1m"}}
    found = subject(steps=[{"setMirrorRoute": {"percentage": 50}}, pause, {"setWeight": 10}, pause])
    assert found.stages(0.0)[0] == PlannedStage(10, 60.0)
    assert found.left_out_verbs == ("setMirrorRoute",)


def test_a_goal_alone_leaves_nothing_to_play() -> None:
    """It says what to add, and is no traceback."""
    manifest = yaml.safe_load_all((ROOT / "examples/08-ab-test/manifest.yaml").read_text())
    shop = next(one for one in manifest if one["kind"] == "ModelDeployment")
    shop["spec"]["analysis"]["metrics"] = shop["spec"]["analysis"]["metrics"][1:]
    with pytest.raises(UnusableManifest, match="add a metric that guards"):
        read_subject(yaml.safe_dump(shop))


def test_a_goal_is_left_out_with_the_metric_that_nothing_else_judges() -> None:
    """Made-up users do not convert: a pause stands for it."""
    found = read_subject((ROOT / "examples/08-ab-test/manifest.yaml").read_text())
    assert found.left_out_verbs == ("awaitGoal",)
    assert found.stages(0.0)[0] == PlannedStage(50, 30.0)
    assert [one.name for one in found.policy.analysis.metrics] == ["error-rate"]


@pytest.mark.parametrize(
    "example", ["07-blue-green", "08-ab-test", "09-premium-cohort", "10-shadow-first", "12-gateway-api"]
)
def test_every_strategy_of_the_examples_can_be_played(example: str) -> None:
    """Blue-green is a list of steps by another name."""
    file = ROOT / "examples" / example / "manifest.yaml"
    assert read_subject(file.read_text()).stages(0.0)


def test_a_scale_changes_nothing_of_what_is_played() -> None:
    """All pods are taken to be ready, however many are asked for."""
    scale, pause = {"setCanaryScale": {"replicas": 1000}}, {"pause": {"duration": "30s"}}
    plain, scaled = (subject(steps=steps) for steps in ([RAMP[2], pause], [scale, RAMP[2], scale, pause]))
    assert scaled.stages(0.0) == plain.stages(0.0)
    equal = Scenario("equal", 100.0, 0.0, 0.0)
    reached = [play(Job(one, equal, runs=2, seed=7, longest_s=300.0)).full_s for one in (plain, scaled)]
    assert np.isfinite(reached[1]).all()
    assert reached[0].tolist() == reached[1].tolist()
