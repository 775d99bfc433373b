"""`simulate`: what a policy does, in numbers, before it is committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from serinus.cli.app import app
from serinus.cli.simulate.page import share_of_runs
from serinus.core.model.kinds import Json
from tests.unit.simulation.given import ERRORS, SLOW, manifest

pytestmark = pytest.mark.timeout(600)
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/manifest.yaml"))


def say(folder: Path, *words: str, **given: Any) -> Result:
    """Simulate a manifest in a file."""
    file = folder / "manifest.yaml"
    file.write_text(manifest(**given))
    return CliRunner().invoke(app, ["simulate", "-f", str(file), "--runs", "8", *words])


def answer(folder: Path, *words: str, **given: Any) -> Json:
    """The same as JSON."""
    said = say(folder, "--json", *words, **given)
    assert said.exit_code == 0, said.output
    found: Json = json.loads(said.stdout)
    return found


def test_a_sentence_comes_first(tmp_path: Path) -> None:
    """It can be pasted: traffic, first weight, price of a bad version, odds of losing an equal one."""
    lines = say(tmp_path, pace="Evidence", analysis={"riskBudget": "2%"}).stdout.splitlines()
    assert lines[1].startswith("At 100 requests a second and a first weight of 10 %, a version with 1 % errors instead")
    assert "an equal version is not reverted in 8 rollouts, too few to tell how often it would be, and" in lines[1]


@pytest.mark.parametrize(
    ("count", "runs", "shown"),
    [(0, 100, "0 (< 3 %)"), (0, 10, "0 (< 30 %)"), (0, 9, "0 of 9"), (3, 9, "33.3 %")],
)
def test_what_never_happened_is_bounded_where_there_are_runs_enough(count: int, runs: int, shown: str) -> None:
    """Fewer than three in N; of a handful that says nothing."""
    assert share_of_runs(count, runs) == shown


def test_the_same_seed_gives_the_same_answer(tmp_path: Path) -> None:
    """A number in a review can be checked."""
    first, again, other = (answer(tmp_path, "--longest", "2m", "--seed", seed) for seed in ("5", "5", "6"))
    assert first == again
    assert first["odds"] != other["odds"]


def test_every_rollout_ends_in_one_of_three_ways(tmp_path: Path) -> None:
    """Reverted, promoted, or still held."""
    for row in answer(tmp_path, "--noise", "all", "--runs", "2")["odds"]:
        assert row["reverted"] + row["promoted"] + row["held"] == row["runs"] == 2


def test_the_rules_of_others_stand_beside_it(tmp_path: Path) -> None:
    """On the same traffic."""
    rules = [row["rule"] for row in answer(tmp_path, "--compare")["odds"]]
    assert rules == ["Serinus", "Argo 95/3 pass", "Argo 99/0", "Flagger"] * 2


def test_a_slow_version_is_played_where_latency_is_judged(tmp_path: Path) -> None:
    """And is found by it."""
    words = ("--latency-factor", "3", "--stable-latency", "200ms")
    rows = answer(tmp_path, *words, metrics=[ERRORS, SLOW])["odds"]
    assert [row["version"] for row in rows] == ["no change", "1 % errors", "latency x3"]
    assert rows[2]["revertedByMetric"] == {"p99": 8}
    assert "p99" not in rows[1]["revertedByMetric"]


def test_one_request_a_second_decides_nothing_for_hours(tmp_path: Path) -> None:
    """It says so, and what would help."""
    told = answer(tmp_path, "--rate", "1", "--longest", "2m", steps=[{"setWeight": 1}, {"pause": {"duration": "1m"}}])[
        "advice"
    ]
    assert "take about 31 h; a first weight of 50 % gets them in 37 min." in told[0]
    assert told[1].startswith("error-rate needs 20 requests in 60 s, and 1 % of the traffic brings 0.6")


def test_what_cannot_be_made_up_is_named(tmp_path: Path) -> None:
    """A query of one's own is taken to be in range, and a pause without end to end."""
    own = {
        "name": "drift",
        "query": 'x{modeldeployment="{{name}}", revision="{{revision}}"}',
        "thresholdRange": {"max": "1"},
    }
    told = answer(tmp_path, metrics=[ERRORS, own], steps=[{"setWeight": 10}, {"pause": {}}])["advice"]
    assert "No traffic can be simulated for drift: assumed to be in range, and equal." in told
    assert any("is assumed to last 10 min" in line for line in told)


def test_hasty_pauses_are_pointed_out(tmp_path: Path) -> None:
    """A bad version that gets through is said first of all."""
    hasty = answer(tmp_path, steps=[{"setWeight": 10}, {"pause": {"duration": "5s"}}], guard="0s")
    assert any(line.startswith(("100 % of versions", "9")) and "are promoted" in line for line in hasty["advice"])


@pytest.mark.parametrize(
    "words",
    [
        ["--bad-error-rate", "0.1%"],
        ["--noise", "thunder"],
        ["--error-rate", "many"],
        ["--plot", "picture.pdf"],
        ["--rate", "0"],
    ],
    ids=" ".join,
)
def test_nonsense_is_refused(tmp_path: Path, words: list[str]) -> None:
    """With the exit code of a wrong call."""
    assert say(tmp_path, *words).exit_code == 2


def test_a_file_without_a_model_deployment_is_refused(tmp_path: Path) -> None:
    """In one sentence."""
    file = tmp_path / "other.yaml"
    file.write_text("kind: ConfigMap\n---\nkind: Service\n")
    said = CliRunner().invoke(app, ["simulate", "-f", str(file)])
    assert said.exit_code == 1
    assert "the file has no ModelDeployment" in said.stderr


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        pytest.param("analisys: {}", "spec.analisys: no such field", id="a misspelt section"),
        pytest.param("strategy: {canary: {steps: [{setWeight: 5, wait: 1m}]}}", "steps[0].wait: no", id="in a list"),
        pytest.param("model: {version: 1}", "spec.model.version: should be a string: write 1 in quotes", id="a number"),
        pytest.param(
            "model: {version: '1', storageUri: ftp://models/m}",
            'spec.model.storageUri: "ftp://models/m" is not valid: write s3://,',
            id="an unknown scheme",
        ),
        pytest.param("a: [b", "the file is not valid YAML: expected", id="no YAML"),
    ],
)
def test_a_manifest_that_would_be_misread_is_refused(tmp_path: Path, spec: str, said: str) -> None:
    """In one line: with a field ignored, the answer would be about the defaults."""
    file = tmp_path / "wrong.yaml"
    file.write_text(
        "kind: ModelDeployment\nmetadata: {name: m}\nspec:\n  runtime: {image: triton}\n"
        + ("" if spec.startswith("model") else '  model: {version: "1", storageUri: pvc://a/b}\n')
        + f"  {spec}\n"
    )
    answered = CliRunner().invoke(app, ["simulate", "-f", str(file)])
    assert answered.exit_code == 1
    assert said in answered.stderr
    assert answered.stderr.count("\n") == 1


def test_a_policy_may_be_about_the_pace_alone(tmp_path: Path) -> None:
    """The steps are the default ones then."""
    file = tmp_path / "manifest.yaml"
    document = yaml.safe_load(manifest())
    document["spec"]["strategy"]["canary"] = {"pace": "Evidence"}
    file.write_text(yaml.safe_dump(document))
    said = CliRunner().invoke(app, ["simulate", "-f", str(file), "--runs", "1", "--longest", "10s"])
    assert said.exit_code == 0, said.output
    assert "pace Evidence, weights 5, 25, 50, 100 %" in said.stdout


def test_a_list_is_looked_into(tmp_path: Path) -> None:
    """As `kubectl get -o yaml` and generators write it."""
    file = tmp_path / "list.yaml"
    file.write_text(yaml.safe_dump({"kind": "List", "items": [yaml.safe_load(manifest())]}))
    assert CliRunner().invoke(app, ["simulate", "-f", str(file), "--runs", "1", "--longest", "10s"]).exit_code == 0


def test_a_picture_without_a_place_is_refused_before_anything_is_played(tmp_path: Path) -> None:
    """A minute's wait for an error would be a minute lost."""
    said = say(tmp_path, "--plot", str(tmp_path / "missing" / "odds.png"))
    assert said.exit_code == 1
    assert said.stdout == ""
    assert "is not a folder" in said.stderr


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    """Where matplotlib is installed."""
    pytest.importorskip("matplotlib")
    file = tmp_path / "odds.svg"
    assert say(tmp_path, "--plot", str(file)).exit_code == 0
    assert "<svg" in file.read_text()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.parent.name)
def test_every_example_can_be_simulated(example: Path) -> None:
    """Its own policy, quickly."""
    manifests = yaml.safe_load_all(example.read_text())
    for name in [one["metadata"]["name"] for one in manifests if one["kind"] == "ModelDeployment"]:
        asked = ["simulate", "-f", str(example), "--name", name, "--runs", "2", "--longest", "3m", "--json"]
        said = CliRunner().invoke(app, asked)
        assert said.exit_code == 0, said.output
        assert all(row["runs"] == 2 for row in json.loads(said.stdout)["odds"])
