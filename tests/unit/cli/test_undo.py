"""What `undo` goes back to, what it prints, when it writes, and when there is nothing to go back to."""

from __future__ import annotations

import pytest

from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_spec
from serinus.core.model.kinds import Json
from tests.unit.cli.given import FakeCluster, rollout, say
from tests.unit.cli.undo_given import name_of, recorded, served, spec_in, spec_of, trying, undone, wanting

ENDED = {"phase": "Reverted", "weight": 0, "reason": "LimitExceeded", "settledAt": "2026-01-01T00:01:20.250Z"}
ARGO_CD = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:serinus.dev/ModelDeployment:ml/fraud"}}


@pytest.mark.parametrize(
    ("fake", "version", "effect"),
    [
        pytest.param(served("1", "2"), "1", "GuardedStep", id="what succeeded before"),
        pytest.param(trying("1", "2"), "1", "SpecRestored", id="stable, in mid-rollout"),
        pytest.param(trying("1", "2", phase="Guarding", weight=100), "1", "SpecRestored", id="stable, in the guard"),
        pytest.param(trying("1", "2", **ENDED), "1", "NoRollout", id="stable, after a revert"),
        pytest.param(trying("1", "2", **{**ENDED, "settledAt": None}), "1", "NoRollout", id="stable, on the way back"),
    ],
)
def test_the_default_is_what_served_before(fake: FakeCluster, version: str, effect: str) -> None:
    """While the spec asks for something that is not stable, that is stable itself."""
    told = undone(fake)
    assert (told["to"]["version"], told["effect"], told["applied"]) == (version, effect, False)


def test_after_a_way_back_the_default_is_what_served_until_then() -> None:
    """The newest success counts, and not the newest revision."""
    first, second = recorded(spec_of("1"), 1), recorded(spec_of("2"), 2)
    first["metadata"]["annotations"]["serinus.dev/succeeded-at"] = "2025-12-20T00:00:00.000Z"
    third = recorded(spec_of("3"), 3, succeeded=False)
    assert undone(wanting(spec_of("1"), first, second, third))["to"]["version"] == "2"


def test_a_spec_that_nobody_recorded_is_put_back_to_stable() -> None:
    """The operator may be down, or the spec wrong: what serves is known all the same."""
    fake = wanting(spec_of("9"), recorded(spec_of("1"), 1), recorded(spec_of("2"), 2))
    told = undone(fake)
    assert (told["from"], told["to"]["version"]) == ({"revision": None, "version": "9"}, "2")


@pytest.mark.parametrize("named", ["1", name_of(spec_of("1")), name_of(spec_of("1")).removeprefix("fraud-")])
def test_a_revision_is_named_by_version_name_or_hash(named: str) -> None:
    """Whatever a person has at hand."""
    assert undone(served("1", "2", "3"), "--to", named)["to"]["version"] == "1"


@pytest.mark.parametrize(
    ("fields", "version", "effect", "words"),
    [
        (
            {},
            "2",
            "GuardedStep",
            "one guarded step (rollbackWindow): version 2 gets 100% once its pods are ready, then",
        ),
        ({}, "1", "AllSteps", "version 1 is not among the last 2 that succeeded before version 4 (rollbackWindow)"),
        ({"rollbackWindow": {"revisions": 3}}, "1", "GuardedStep", "one guarded step"),
        ({"rollbackWindow": {"revisions": 0}}, "3", "AllSteps", "rollbackWindow is 0"),
        ({"guard": {"duration": "7m"}}, "3", "GuardedStep", "then a guard window of 7m"),
        (
            {"strategy": {"canary": {"steps": [{"setWeight": 9}]}}},
            "1",
            "AllSteps",
            "an ordinary rollout in one step, then",
        ),
    ],
)
def test_the_effect_is_what_the_operator_decides_by(fields: Json, version: str, effect: str, words: str) -> None:
    """One guarded step within rollbackWindow, all steps beyond it."""
    told = undone(served("1", "2", "3", "4", **fields), "--to", version)
    assert told["effect"] == effect
    assert words in told["message"]


def test_a_version_that_never_succeeded_walks_through_the_steps() -> None:
    """It is asked for by name alone."""
    kept = (recorded(spec_of("1"), 1, succeeded=False), recorded(spec_of("2"), 2), recorded(spec_of("3"), 3))
    assert undone(wanting(spec_of("3"), *kept), "--to", "1")["message"].endswith("version 1 has never succeeded")


def test_another_version_than_stable_ends_the_rollout_in_progress_first() -> None:
    """Both things that happen are said."""
    fake = trying("2", "3")
    fake.revisions.append(recorded(spec_of("1"), 0))
    told = undone(fake, "--to", "1")
    assert told["message"].startswith(f"ends Rollout {name_of(spec_of('3'))}-1, then one guarded step")


def test_the_rollout_in_progress_goes_on_when_the_spec_asks_for_its_version_again() -> None:
    """The operator has not seen the spec that came in between."""
    fake = trying("1", "2")
    fake.deployments[0]["spec"] = spec_of("9")
    assert undone(fake, "--to", "2")["effect"] == "Continues"


def test_before_anything_is_stable_a_version_gets_everything() -> None:
    """The first one was never ready; there is nothing to be compared with."""
    first = rollout(first=True, name=f"{name_of(spec_of('2'))}-1", phase="Pending", weight=0)
    first["spec"]["to"] = {"revision": name_of(spec_of("2")), "version": "2"}
    kept = (recorded(spec_of("1"), 1, succeeded=False), recorded(spec_of("2"), 2, succeeded=False))
    told = undone(wanting(spec_of("2"), *kept, rollouts=(first,)), "--to", "1")
    assert told["effect"] == "FirstRevision"


def _rejecting(newest: bool) -> FakeCluster:
    """Version 2 was rejected: by the newest Rollout, or by one that is gone."""
    fake = trying("1", "2", **ENDED)
    tried, fake.deployments[0]["spec"] = fake.kept[0], spec_of("1")
    tried["spec"]["policy"] = _policy(fake)
    rejected = {"revision": name_of(spec_of("2")), "version": "2", "policy": _policy(fake), "reason": "LimitExceeded"}
    rejected |= {"rollout": tried["metadata"]["name"], "at": "2026-01-01T00:01:20.250Z"}
    fake.deployments[0]["status"]["rejected"] = [rejected]
    fake.kept = [tried] if newest else []
    return fake


def _policy(fake: FakeCluster) -> str:
    return policy_of(parse_spec(spec_in(fake))).digest


@pytest.mark.parametrize(
    ("newest", "words"), [(True, "without retry"), (False, "without another strategy, analysis or guard")]
)
def test_a_rejected_version_is_said_to_start_nothing(newest: bool, words: str) -> None:
    """And what would start it: `spec.retry` works on the newest Rollout alone."""
    told = undone(_rejecting(newest), "--to", "2")
    assert told["effect"] == "Rejected"
    assert told["message"].startswith("no rollout: version 2 was rejected by Rollout")
    assert told["message"].endswith(words)


def test_the_diff_has_model_and_runtime_alone() -> None:
    """Fields that are live or part of the policy are not touched, and not shown."""
    answer = say(served("1", "2", scaling={"minReplicas": 3}, guard={"duration": "1s"}), "undo", "fraud")
    first, second = name_of(spec_of("1")), name_of(spec_of("2"))
    assert answer.stdout.splitlines()[:12] == [
        f"--- ModelDeployment ml/fraud version 2 ({second})",
        f"+++ ModelDeployment ml/fraud version 1 ({first})",
        "@@ -1,9 +1,9 @@",
        " spec:",
        "   model:",
        "-    version: '2'",
        "-    storageUri: pvc://models/fraud/2",
        "+    version: '1'",
        "+    storageUri: pvc://models/fraud/1",
        "   runtime:",
        "     image: triton:1",
        "     resources:",
    ]
    assert answer.stdout.splitlines()[-1] == "next: commit this change, or serinus undo fraud --apply"


def test_how_a_user_wrote_a_quantity_is_no_change() -> None:
    """A number and a text are one quantity, and one revision."""
    fake = served("1", "2")
    fake.deployments[0]["spec"]["runtime"]["resources"]["requests"]["cpu"] = 1
    assert [one["path"] for one in undone(fake)["patch"] if one["op"] != "test"] == [
        "/spec/model/version",
        "/spec/model/storageUri",
    ]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"nodeSelector": {"a/b~c": "d"}}, {}),
        ({}, {"nodeSelector": {"a/b~c": "d"}}),
        ({"nodeSelector": {"a/b~c": "d", "e": "f"}}, {"nodeSelector": {"a/b~c": "x", "g": "h"}}),
        ({"env": [{"name": "A", "value": "1"}]}, {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}),
    ],
)
def test_what_is_written_is_what_was_recorded(before: Json, now: Json) -> None:
    """Fields that came are taken out, fields that went come back, and keys may hold any sign."""
    first, second = (
        {**spec_of(version), "runtime": {"image": "i", **one}} for version, one in (("1", before), ("2", now))
    )
    fake = wanting(second, recorded(first, 1), recorded(second, 2), scaling={"minReplicas": 3})
    assert undone(fake, "--apply")["applied"] is True
    assert spec_in(fake) == {**first, "scaling": {"minReplicas": 3}}


def test_without_apply_nothing_is_written() -> None:
    """The spec is the user's."""
    fake = served("1", "2")
    say(fake, "undo", "fraud")
    assert spec_in(fake)["model"]["version"] == "2"


def test_an_applied_change_says_who_may_put_it_back() -> None:
    """Not every pipeline leaves its mark on an object."""
    answer = say(served("1", "2"), "undo", "fraud", "--apply")
    assert answer.exit_code == 0
    assert answer.stdout.splitlines()[-2:] == [
        "applied: the spec of fraud asks for version 1",
        "note: if this manifest is kept in git, make the same change there: "
        "whatever applies it next puts version 2 back",
    ]


def test_an_applied_change_that_nobody_processes_is_an_error() -> None:
    """The spec stays changed, and it is said."""
    fake = served("1", "2")
    fake.answers = False
    answer = say(fake, "undo", "fraud", "--apply")
    assert answer.exit_code == 1
    assert "the spec is changed, but the operator did not process it within 5s" in answer.stderr
    assert spec_in(fake)["model"]["version"] == "1"


@pytest.mark.parametrize(
    ("metadata", "tool"),
    [
        (ARGO_CD, "Argo CD (Application shop)"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD (Application shop)"),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "flux"}},
            "Flux (Kustomization flux/shop)",
        ),
        (
            {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "flux"}},
            "Flux (HelmRelease flux/shop)",
        ),
        ({"managedFields": [{"manager": "argocd-controller", "fieldsV1": {"f:spec": {}}}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kustomize-controller", "fieldsV1": {"f:spec": {}}}]}, "Flux"),
        ({"managedFields": [{"manager": "argocd-controller", "fieldsV1": {"f:metadata": {}}}]}, None),
        ({"managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]}, None),
        ({"labels": {"app.kubernetes.io/instance": "shop"}}, None),
    ],
)
def test_a_gitops_tool_is_known_by_its_marks(metadata: Json, tool: str | None) -> None:
    """By its own label or annotation, or by the fields of the spec that it owns."""
    fake = served("1", "2")
    fake.deployments[0]["metadata"] |= metadata
    assert undone(fake)["gitOps"] == tool


def test_what_a_gitops_tool_applies_is_not_written_without_force() -> None:
    """It would put the other version back; the change is shown, to be committed."""
    fake = served("1", "2")
    fake.deployments[0]["metadata"] |= ARGO_CD
    answer = say(fake, "undo", "fraud", "--apply")
    assert (answer.exit_code, spec_in(fake)["model"]["version"]) == (1, "2")
    assert "+    version: '1'" in answer.stdout
    assert answer.stderr == (
        "serinus: not applied: Argo CD (Application shop) applies fraud from git and would put version 2 back. "
        "Commit the change there, or insist with --force\n"
    )
    assert "--apply" not in say(fake, "undo", "fraud").stdout


def test_force_writes_against_a_gitops_tool_and_says_what_comes() -> None:
    """At night somebody may have no way to commit."""
    fake = served("1", "2")
    fake.deployments[0]["metadata"] |= ARGO_CD
    answer = say(fake, "undo", "fraud", "--apply", "--force")
    assert (answer.exit_code, spec_in(fake)["model"]["version"]) == (0, "1")
    assert "note: Argo CD (Application shop) puts version 2 back unless the same change is in git" in answer.stdout


def test_force_alone_is_misuse() -> None:
    """There is nothing to insist on."""
    assert say(served("1", "2"), "undo", "fraud", "--force").exit_code == 2


def test_what_the_next_command_names_can_be_pasted() -> None:
    """A version is free text."""
    answer = say(served("spring 1", "2", "3"), "undo", "fraud", "--to", "spring 1", "-n", "ml")
    assert answer.stdout.splitlines()[-1].endswith("serinus undo fraud --to 'spring 1' --apply -n ml")


def test_files_of_a_config_map_are_said_to_be_a_condition() -> None:
    """They are no part of the manifest: others by now make another revision."""
    fake = served("1", "2")
    first = spec_of("1", storageUri="configmap://fraud-1")
    fake.revisions[0] = recorded(first, 1)
    assert "note: this holds while ConfigMap fraud-1 has the files of then" in say(fake, "undo", "fraud").stdout
