"""Who is in a group, what is known of each member, and whom a change wakes."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.api.group import MemberStanding
from serinus.api.parsing import parse_model_deployment
from serinus.core.model.group import Member
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json
from serinus.runtime.members import Members
from tests.unit.core.rollout import given


class Groups:
    """A cache with members in it, and the keys that were woken."""

    def __init__(self) -> None:
        self.cache = ObjectCache()
        self.woken: list[str] = []
        self.members = Members(self.cache, wake=lambda key: self.woken.append(str(key)))
        self._version = 0

    def put(self, manifest: Json) -> None:
        self._version += 1
        manifest["metadata"]["resourceVersion"] = str(self._version)
        self.woken.clear()
        self.cache.put(manifest)

    def beside(self, name: str, namespace: str = "ml") -> tuple[Member, ...]:
        manifest = self.cache.get(MODEL_DEPLOYMENT, namespace, name)
        assert manifest is not None
        return self.members.beside(parse_model_deployment(manifest))


def deployed(
    name: str, group: str | None = "flow", release: str = "r1", *, namespace: str = "ml", says: Json | None = None
) -> Json:
    """A ModelDeployment, looked at by its own pass."""
    spec = given.spec().manifest() | ({"group": {"name": group, "release": release}} if group else {})
    told = {"observedGeneration": 1, "group": {"release": release, "standing": "Serves"}}
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace, "generation": 1, "uid": name},
        "spec": spec,
        "status": told | (says or {}),
    }


def rolled(owner: str, **status: Any) -> Json:
    labels = {"serinus.dev/modeldeployment": owner}
    plan = given.plan().spec.manifest() | {"modelDeployment": owner, "group": {"name": "flow", "release": "r1"}}
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": f"{owner}-bbbbbbbbbb-1", "namespace": "ml", "uid": f"r-{owner}", "labels": labels},
        "spec": plan,
        "status": {"phase": "Progressing", "step": 1, **status},
    }


@pytest.fixture
def groups() -> Groups:
    """Two members, and three that are none of theirs."""
    made = Groups()
    for manifest in (
        deployed("scorer"),
        deployed("prep"),
        deployed("other", "else"),
        deployed("alone", None),
        deployed("prep", namespace="shop"),
    ):
        made.put(manifest)
    return made


def test_members_are_those_of_one_namespace_that_name_the_group(groups: Groups) -> None:
    """Nobody is a member beside itself, and who is in no group has none."""
    assert [one.name for one in groups.beside("scorer")] == ["prep"]
    assert groups.beside("prep", "shop") == groups.beside("other") == groups.beside("alone") == ()


def test_a_member_is_what_it_has_stored(groups: Groups) -> None:
    """Its release, its own word, its steps and its newest Rollout."""
    groups.put(rolled("prep", readyFor=1))
    member = groups.beside("scorer")[0]
    assert (member.release, member.standing, member.steps) == ("r1", MemberStanding.SERVES, 4)
    assert member.rollout is not None
    assert (member.rollout.state.step, member.rollout.state.ready_for) == (1, 1)


@pytest.mark.parametrize(
    "says",
    [{"observedGeneration": 0}, {"group": None}, {"group": {"release": "r0", "standing": "Serves"}}],
    ids=["of an older spec", "nothing said", "of another release"],
)
def test_the_word_of_a_member_counts_for_its_newest_spec_alone(groups: Groups, says: Json) -> None:
    """Until its own pass has looked, nothing is known."""
    groups.put(deployed("prep", says=says))
    assert groups.beside("scorer")[0].standing is None


@pytest.mark.parametrize(
    ("manifest", "woken"),
    [
        pytest.param(deployed("prep"), [], id="nothing new"),
        pytest.param(deployed("prep", says={"phase": "NotReady"}), [], id="what concerns nobody else"),
        pytest.param(deployed("prep", release="r2"), ["ml/scorer"], id="another release"),
        pytest.param(deployed("prep", "else"), ["ml/other", "ml/scorer"], id="another group: both are told"),
        pytest.param(deployed("prep", None), ["ml/scorer"], id="no group any more"),
        pytest.param(deployed("new"), ["ml/prep", "ml/scorer"], id="a new member"),
        pytest.param(rolled("prep"), ["ml/scorer"], id="a new Rollout"),
        pytest.param(rolled("alone"), [], id="a Rollout of nobody's group"),
    ],
)
def test_a_change_wakes_the_other_members(groups: Groups, manifest: Json, woken: list[str]) -> None:
    """Whoever wrote it."""
    groups.put(manifest)
    assert sorted(groups.woken) == woken


@pytest.mark.parametrize(
    ("status", "wakes"),
    [
        pytest.param({}, False, id="nothing new"),
        pytest.param({"message": "other words"}, False, id="words"),
        pytest.param({"readyFor": 1}, True, id="ready"),
        pytest.param({"step": 2}, True, id="a step"),
        pytest.param({"phase": "Reverted"}, True, id="an end"),
    ],
)
def test_news_of_a_rollout_wake_the_other_members(groups: Groups, status: Json, wakes: bool) -> None:
    """Words alone do not: every look has others."""
    groups.put(rolled("prep"))
    groups.put(rolled("prep", **status))
    assert groups.woken == (["ml/scorer"] if wakes else [])


def test_a_deleted_member_is_none(groups: Groups) -> None:
    """The others are told, and wait for it no more."""
    groups.woken.clear()
    groups.cache.forget(MODEL_DEPLOYMENT, "ml", "prep")
    assert groups.woken == ["ml/scorer"]
    assert groups.beside("scorer") == ()


def test_what_cannot_be_read_is_said_with_its_name(groups: Groups) -> None:
    """The member itself, or the Rollout that decides its split."""
    broken = deployed("prep")
    broken["spec"]["model"]["version"] = ["of", "the", "future"]
    groups.put(broken)
    assert groups.beside("scorer")[0].unreadable.startswith("ModelDeployment prep cannot be read")
    groups.put(deployed("prep"))
    unread = rolled("prep")
    unread["spec"]["attempt"] = "many"
    groups.put(unread)
    assert groups.beside("scorer")[0].unreadable.startswith("Rollout prep-bbbbbbbbbb-1 cannot be read")
    groups.cache.forget(ROLLOUT, "ml", "prep-bbbbbbbbbb-1")
    assert groups.beside("scorer")[0].unreadable == ""
