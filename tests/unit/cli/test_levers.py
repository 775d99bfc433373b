"""What each lever writes to the newest Rollout, and when it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.cli import levers
from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json
from tests.unit.cli.given import CANARY, ROLLOUT, cluster, condition, reverted, rollout, say, split_test, story

REJECTED = [condition("Stalled", "True", "RevisionRejected", "version 42 was taken back")]


@pytest.mark.parametrize(
    ("words", "spec"),
    [
        (["pause", "fraud"], {"paused": True}),
        (["resume", "fraud"], {"paused": False}),
        (["abort", "fraud"], {"abort": True}),
        (["promote", "fraud"], {"promote": {"throughStep": 2, "full": None}}),
        (["promote", "fraud", "--through-step", "3"], {"promote": {"throughStep": 3, "full": None}}),
        (["promote", "fraud", "--full"], {"promote": {"throughStep": None, "full": True}}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_lever_is_one_patch_of_the_newest_rollout(words: list[str], spec: Json) -> None:
    """Only the Rollout is written, and of it only the lever."""
    fake = cluster(rollout())
    assert say(fake, *words).exit_code == 0
    assert fake.patches == [(ROLLOUT, {"spec": spec})]


@pytest.mark.parametrize(
    ("outcome", "resumed", "promoted"),
    [
        pytest.param(
            "StableWon",
            "continues: stable has won, so the canary goes back to 0, and its version is rejected",
            "goes to 100%, although stable has won",
            id="a loser",
        ),
        pytest.param(
            "CanaryWon",
            "continues: the canary has won, so the canary goes on",
            "goes to 100%",
            id="a winner",
        ),
        pytest.param(None, "continues", "goes to 100%", id="an open test"),
    ],
)
def test_a_lever_on_a_decided_test_says_what_follows(outcome: str | None, resumed: str, promoted: str) -> None:
    """Whoever lets a paused test go ends it; whoever promotes it passes its outcome over."""
    paused = split_test(phase="Paused", reason="PausedByUser", goal={"outcome": outcome})
    assert levers.resume(story(paused)).said == resumed
    assert levers.promote(story(paused), full=True).said == promoted


def test_a_canary_that_has_won_is_promoted_like_a_pause() -> None:
    """While it waits for a person; a goal that is still open is passed by --through-step alone."""
    won = split_test(phase="Paused", reason="AwaitingPromotion")
    assert levers.promote(story(won)).spec == {"promote": {"throughStep": 2, "full": None}}
    with pytest.raises(Refused, match="is not in a pause"):
        levers.promote(story(split_test()))
    assert levers.promote(story(split_test()), through_step=2).spec["promote"]["throughStep"] == 2


def test_the_promotion_of_a_blue_green_says_that_it_switches_everybody() -> None:
    """Which step it skips is of no use to whoever has to decide."""
    steps = [{"setCanaryScale": {"weight": 100}}, {"pause": {}}, {"setWeight": 100}]
    waits = rollout(levers={"strategy": {"canary": {"steps": steps}}}, weight=0)
    assert levers.promote(story(waits)).said == "switches everybody to version 42 (skips the pause, step 2 of 3)"


def test_the_newest_of_several_rollouts_is_the_one() -> None:
    """A history of Rollouts does not confuse a lever, in whatever order the server lists it."""
    older = reverted()
    newer = rollout(name=f"{CANARY}-2")
    newer["metadata"]["creationTimestamp"] = "2026-01-01T00:01:30Z"
    assert levers.abort(story(newer, older)).rollout == f"{CANARY}-2"


def test_attempts_of_one_second_are_told_apart() -> None:
    """The API server's times have whole seconds: the attempt decides."""
    older, newer = rollout(), rollout(name=f"{CANARY}-10")
    older["spec"]["attempt"], newer["spec"]["attempt"] = 9, 10
    assert levers.abort(story(newer, older)).rollout == f"{CANARY}-10"


def test_of_one_second_the_rollout_that_goes_on_is_the_newest() -> None:
    """As the operator sees it: what has settled is history, whatever its attempt."""
    settled = reverted()
    settled["spec"]["attempt"] = 2
    assert levers.abort(story(rollout(name=f"{CANARY}-x"), settled)).rollout == f"{CANARY}-x"


def test_retry_writes_a_text_that_is_new_each_time() -> None:
    """The time of the call is the text, so that a second retry is another one."""
    fake = cluster(reverted(), conditions=REJECTED)
    assert say(fake, "retry", "fraud", "--wait", "0").exit_code == 0
    assert fake.patches == [(ROLLOUT, {"spec": {"retry": "2026-01-01T00:01:40.000Z"}})]


def test_promotion_in_full_replaces_one_through_a_step() -> None:
    """The API allows one of both; what was set before is taken out by the same patch."""
    fake = cluster(rollout(levers={"promote": {"throughStep": 2}}))
    say(fake, "promote", "fraud", "--full")
    assert fake.kept[0]["spec"]["promote"] == {"full": True}


@pytest.mark.parametrize("command", ["pause", "resume", "abort", "promote"])
def test_an_ended_rollout_has_no_lever(command: str) -> None:
    """The sentence names the rollout and how it ended; nothing is written."""
    fake = cluster(reverted())
    answer = say(fake, command, "fraud")
    assert answer.exit_code == 1
    assert answer.stderr == f"serinus: fraud has no rollout in progress: the newest, {ROLLOUT}, is Reverted\n"
    assert fake.patches == []


def test_without_a_rollout_the_reason_is_told() -> None:
    """What keeps the first rollout from starting is what the person needs to know."""
    unwell = [condition("Ready", "False", "ConfigMapNotFound", "there is no ConfigMap fraud-42")]
    with pytest.raises(Refused, match="fraud has no Rollout yet: there is no ConfigMap fraud-42"):
        levers.abort(story(conditions=unwell))


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"phase": "Progressing", "step": 2, "message": "errors rests on 3 requests"}, "errors rests on 3 requests"),
        ({"phase": "Guarding", "step": 3, "weight": 100}, "is already at 100%"),
    ],
    ids=["held by a gate", "in the guard window"],
)
def test_promotion_needs_a_pause_to_skip(status: dict[str, Any], sentence: str) -> None:
    """Where there is no pause, the sentence says what it waits for instead."""
    with pytest.raises(Refused, match=sentence):
        levers.promote(story(rollout(**status)))


@pytest.mark.parametrize(("step", "sentence"), [(4, "has 3 steps; there is no step 4"), (1, "is already past step 1")])
def test_promotion_needs_a_step_ahead(step: int, sentence: str) -> None:
    """A number that can have no effect is refused."""
    with pytest.raises(Refused, match=sentence):
        levers.promote(story(rollout()), through_step=step)


def test_a_promotion_in_full_is_not_narrowed() -> None:
    """A second, smaller promotion would take the first one back."""
    with pytest.raises(Refused, match="is already promoted to 100%"):
        levers.promote(story(rollout(levers={"promote": {"full": True}})))


def test_nothing_promotes_what_is_unsafe() -> None:
    """An SRE may overrule a lack of evidence, and never evidence."""
    with pytest.raises(Refused, match="no promotion overrides that"):
        levers.promote(story(rollout(verdict="Unsafe", message="errors is 20%")), full=True)


def test_the_first_revision_has_nothing_to_go_back_to() -> None:
    """Its abort would leave nobody to serve."""
    with pytest.raises(Refused, match="nothing to go back to"):
        levers.abort(story(rollout(first=True)))


def test_promotion_of_the_first_revision_is_needless() -> None:
    """It has no steps to walk through."""
    with pytest.raises(Refused, match="goes to 100% when it is ready"):
        levers.promote(story(rollout(first=True)))


def test_a_paused_rollout_is_promoted_with_a_hint() -> None:
    """The pause of an SRE holds a promotion too, and nobody would guess it."""
    answer = say(cluster(rollout(levers={"paused": True})), "promote", "fraud")
    assert "note: spec.paused is set and still holds it: resume it, too" in answer.stdout


@pytest.mark.parametrize(
    ("status", "conditions", "sentence"),
    [
        ({"phase": "Succeeded"}, [], "is Succeeded: only a Reverted or Aborted rollout can be retried"),
        ({"weight": 30, "settledAt": None}, [], "still has weight 30: retry once it is 0"),
        ({}, [condition("Stalled", "False", "NotStalled")], "the spec has another version now"),
        ({}, [condition("Stalled", "True", "HostConflict", "shop/web has the host")], "HostConflict: shop/web has"),
    ],
    ids=["succeeded", "weight on its way", "another wish", "an obstacle"],
)
def test_retry_needs_a_rejected_revision_that_is_still_wanted(
    status: dict[str, Any], conditions: list[Json], sentence: str
) -> None:
    """A retry that the operator would ignore is refused, with the reason."""
    with pytest.raises(Refused, match=sentence):
        levers.retry(story(reverted(**status), conditions=conditions), "again")
