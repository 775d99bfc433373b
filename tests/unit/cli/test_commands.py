"""Exit codes and sentences: what a person or a script gets back from each command."""

from __future__ import annotations

import io
import json

import pytest

from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_spec
from serinus.cli.errors import NotAllowed, Refused
from serinus.cli.present import page
from serinus.cli.story import read_story
from serinus.cli.watching import View, watch
from tests.unit.cli.given import NOW, ROLLOUT, FakeCluster, cluster, deployment, reverted, rollout, say


def test_a_lever_says_what_it_asked_for() -> None:
    """The answer names the Rollout, so that `kubectl describe` can follow."""
    answer = say(cluster(rollout()), "abort", "fraud")
    assert answer.exit_code == 0
    assert answer.stdout.startswith(f"{ROLLOUT}: goes back to version 41\n")


@pytest.mark.parametrize(
    ("edited", "told"),
    [
        pytest.param(False, "version 42 is rejected: only retry", id="the policy of the rollout"),
        pytest.param(True, "version 42 is rejected, with the policy that the spec has now as well", id="edited since"),
    ],
)
def test_an_abort_says_what_it_bars(edited: bool, told: str) -> None:
    """And what lifts it: whoever edits the policy once more gets another attempt."""
    fake = cluster(rollout())
    policy = policy_of(parse_spec(fake.deployments[0]["spec"])).digest
    fake.kept[0]["spec"]["policy"] = "0123456789" if edited else policy
    assert told in say(fake, "abort", "fraud").stdout


def test_a_lever_that_nobody_answers_is_an_error() -> None:
    """At 3 a.m. it matters that the operator is not there to act."""
    fake = cluster(rollout())
    fake.answers = False
    answer = say(fake, "abort", "fraud")
    assert answer.exit_code == 1
    assert "the field is set, but the operator did not acknowledge it within 5s: is it running?" in answer.stderr


def test_a_lever_need_not_wait() -> None:
    """Scripts that only set the level pass --wait 0."""
    fake = cluster(rollout())
    fake.answers = False
    assert say(fake, "abort", "fraud", "--wait", "0").exit_code == 0


def test_an_old_acknowledgement_is_no_answer() -> None:
    """What the operator acknowledged before says nothing about the lever of now."""
    fake = cluster(rollout(acknowledged={"promote": {"throughStep": 1}}))
    fake.answers = False
    assert say(fake, "promote", "fraud").exit_code == 1


@pytest.mark.parametrize(
    "words",
    [
        ["explain"],
        ["promote", "fraud", "--full", "--through-step", "2"],
        ["promote", "fraud", "--through-step", "0"],
        ["abort", "fraud", "--wait", "-1"],
        ["destroy", "fraud"],
        ["run", "--log-format", "xml"],
    ],
    ids=" ".join,
)
def test_misuse_has_an_exit_code_of_its_own(words: list[str]) -> None:
    """2 is a command that was written wrongly; no cluster is asked."""
    fake = cluster(rollout())
    assert say(fake, *words).exit_code == 2
    assert fake.patches == []


def test_a_missing_model_deployment_lists_those_there_are() -> None:
    """A misspelt name is the most frequent mistake."""
    fake = FakeCluster([deployment("fraud"), deployment("churn")])
    answer = say(fake, "status", "frod")
    assert answer.exit_code == 1
    assert answer.stderr == "serinus: no ModelDeployment frod in namespace ml: there are churn, fraud\n"


def test_a_model_deployment_of_another_namespace_is_pointed_out() -> None:
    """A forgotten -n is the next one."""
    answer = say(cluster(), "status", "fraud", "-n", "shop")
    assert answer.stderr == "serinus: no ModelDeployment fraud in namespace shop: there is one in ml (use -n)\n"


def test_who_may_not_look_everywhere_is_told_about_his_own_namespace() -> None:
    """Looking around is a courtesy: that it is forbidden is no error."""
    fake = FakeCluster([deployment("churn")], sees_all=False)
    assert say(fake, "status", "fraud").stderr.endswith("in namespace ml: there are churn\n")


def test_an_empty_cluster_says_so() -> None:
    """There is nothing to list."""
    answer = say(FakeCluster(), "status", "fraud")
    assert answer.stderr == "serinus: no ModelDeployment fraud in namespace ml, which has none\n"


@pytest.mark.parametrize("command", ["status", "pause", "resume", "abort", "promote", "retry"])
def test_what_the_cluster_refuses_is_one_sentence(command: str) -> None:
    """No traceback, and exit code 1."""
    fake = cluster(rollout())
    fake.refusal = NotAllowed("you may not patch rollouts in namespace ml")
    answer = say(fake, command, "fraud")
    assert (answer.exit_code, answer.stderr) == (1, "serinus: you may not patch rollouts in namespace ml\n")


def test_an_unreadable_object_is_one_sentence() -> None:
    """A CRD that is newer than the program is no traceback either."""
    broken = rollout()
    broken["spec"]["attempt"] = "many"
    answer = say(cluster(broken), "status", "fraud")
    assert answer.exit_code == 1
    assert "this version of serinus cannot read" in answer.stderr


def test_status_is_json_on_demand() -> None:
    """The keys are a contract with scripts."""
    answer = say(cluster(reverted()), "status", "fraud", "--json")
    told = json.loads(answer.stdout)
    assert set(told) == {
        "namespace", "name", "model", "fallback", "stable", "canary", "group", "rollout", "unwell", "waitsForOperator",
            "next",
    }  # fmt: skip
    assert told["stable"] == {
        "revision": "fraud-aaaaaaaaaa", "version": "41", "weight": 100, "readyReplicas": 2, "replicas": 2,
        "digest": None, "resolved": None,
    }  # fmt: skip
    assert told["canary"] is None
    assert told["group"] is None
    assert (told["rollout"]["phase"], told["rollout"]["reason"]) == ("Reverted", "LimitExceeded")
    assert told["rollout"]["decisions"][0]["baseline"] == "0.1%"


def test_watching_prints_again_only_what_has_changed() -> None:
    """A log of a night's watch holds changes, not seconds."""
    fake, looks = cluster(rollout()), 0
    original = fake.rollouts

    def look(name: str) -> list[dict[str, object]]:
        nonlocal looks
        looks += 1
        if looks == 3:
            fake.kept[0]["status"]["weight"] = 50
        if looks == 5:
            raise KeyboardInterrupt
        return original(name)

    fake.rollouts = look  # type: ignore[method-assign]
    answer = say(fake, "status", "fraud", "--watch", "--json")
    assert answer.exit_code == 0
    assert [json.loads(line)["canary"]["weight"] for line in answer.stdout.splitlines()] == [5, 50]


def test_watching_survives_a_cluster_that_does_not_answer_for_a_while() -> None:
    """The API server restarts; the person goes on watching."""
    fake, looks = cluster(rollout()), 0
    original = fake.rollouts

    def look(name: str) -> list[dict[str, object]]:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise Refused("no cluster can be reached")
        if looks == 4:
            raise KeyboardInterrupt
        return original(name)

    fake.rollouts = look  # type: ignore[method-assign]
    answer = say(fake, "status", "fraud", "--watch")
    assert (answer.exit_code, answer.stderr) == (0, "serinus: no cluster can be reached; retrying\n")


def test_watching_into_a_file_is_flushed_page_by_page_and_never_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads the file sees what was seen last, and no control codes, whatever the colours are forced to be."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    fake = cluster(rollout())
    flushed: list[str] = []

    class File(io.StringIO):
        def flush(self) -> None:
            flushed.append(self.getvalue())

    def sleep(seconds: float) -> None:
        if len(flushed) > 20 or fake.kept[0]["status"]["weight"] == 50:
            raise KeyboardInterrupt
        assert "5%" in flushed[-1]
        fake.kept[0]["status"]["weight"] = 50

    file = File()
    monkeypatch.setattr("sys.stdout", file)
    with pytest.raises(KeyboardInterrupt):
        watch(
            View(lambda: read_story(fake, "fraud"), lambda one: page(one, (), NOW), lambda _: {}), sleep, as_json=False
        )
    assert "50%" in flushed[-1]
    assert "\x1b[?25l" not in file.getvalue()
