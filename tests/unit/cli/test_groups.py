"""What the commands say of a member of a group."""

from __future__ import annotations

import json

import pytest

from serinus.cli import levers
from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json
from tests.unit.cli.given import FakeCluster, cluster, deployment, reverted, rollout, say, story
from tests.unit.cli.undo_given import served, undone

GROUP = {"name": "flow", "release": "2026-11"}
FOLLOWED = reverted(reason="GroupReverted", message="prep was at fault (prep-bbbbbbbbbb-1): LimitExceeded: 20%")
WAITS = "waits for prep: it shows release 2026-10, and this one 2026-11"


def grouped(fake: FakeCluster, said: Json | None = None) -> FakeCluster:
    """The same, as a member; `prep` is another, and `alone` and that of another namespace are none."""
    fake.deployments[0]["spec"]["group"] = GROUP
    if said:
        fake.deployments[0]["status"]["group"] = said
    for name, group, namespace in (("prep", GROUP, "ml"), ("alone", None, "ml"), ("far", GROUP, "shop")):
        other = deployment()
        other["metadata"] |= {"name": name, "namespace": namespace}
        other["spec"] |= {"group": group} if group else {}
        fake.deployments.append(other)
    return fake


def test_the_page_shows_the_release_and_where_the_member_stands() -> None:
    """In its own words: for whom it waits."""
    said = {"release": "2026-11", "standing": "Ready", "message": WAITS}
    page = say(grouped(cluster(rollout()), said), "status", "fraud").stdout
    assert f"Group flow release 2026-11 Ready: {WAITS}" in " ".join(page.split())


def test_what_was_said_of_an_earlier_release_is_not_shown() -> None:
    """The operator has not looked at the new one yet."""
    said = {"release": "2026-10", "standing": "Serves"}
    answer = say(grouped(cluster(rollout()), said), "status", "fraud", "--json")
    assert json.loads(answer.stdout)["group"] == {**GROUP, "standing": None, "message": None}


def test_an_undo_names_the_other_members() -> None:
    """For people and for scripts; outside of groups there are none."""
    assert undone(grouped(served("1", "2")))["groupMembers"] == ["prep"]
    assert undone(served("1", "2"))["groupMembers"] == []


@pytest.mark.parametrize(
    ("said", "behind"),
    [
        pytest.param({"release": "2026-11", "standing": "Trying"}, True, id="has something new in the release"),
        pytest.param({"release": "2026-11", "standing": "Serves"}, False, id="its model stayed the same"),
        pytest.param({"release": "2026-10", "standing": "Ready"}, False, id="what it said is of another release"),
        pytest.param(None, False, id="nothing is known of it"),
    ],
)
def test_an_undo_says_who_does_not_go_back_with_it(said: Json | None, behind: bool) -> None:
    """Whoever has nothing new in the release need not go back."""
    fake = grouped(served("1", "2"))
    if said is not None:
        fake.deployments[1]["status"]["group"] = said
    told = say(fake, "undo", "fraud").stdout
    assert ("prep (version 42) stays, and fraud goes back alone" in told) is behind
    assert ("serinus undo prep --apply --alone" in told) is behind
    assert say(fake, "undo", "fraud", "--apply").exit_code == int(behind)


def test_who_went_back_with_its_group_is_not_retried_but_told_whom_to_retry() -> None:
    """Its pair is not rejected: a retry would do nothing."""
    with pytest.raises(Refused, match=r"is not rejected, it went back with its group: prep was at fault"):
        levers.retry(story(FOLLOWED), "again")


def test_an_explanation_says_that_another_member_decided() -> None:
    """With the numbers that the message carries."""
    at = "2026-01-01T00:01:20Z"
    behind, followed = (
        {"action": "Taken", "weight": 0, "reason": reason, "firstTime": at, "lastTime": at}
        for reason in ("GroupBehind", "GroupReverted")
    )
    followed_again = reverted(reason="GroupReverted", message="prep was at fault", decisions=[behind, followed])
    told = json.loads(say(cluster(followed_again), "explain", "fraud", "--json").stdout)
    assert told["decidedBy"] == "group"
    assert "because of another member of its group (GroupReverted): prep was at fault" in told["sentence"]


def trying(told: Json) -> FakeCluster:
    """The same in the midst of a release: `prep` has a rollout, too."""
    fake = grouped(cluster(told))
    fake.deployments[1]["status"]["group"] = {"release": "2026-11", "standing": "Trying"}
    return fake


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--full"], "goes as far as the rest of its group; promote --full prep, too"),
        ([], "skips pauses through step 2 of 3; promote prep, too"),
    ],
    ids=["full", "a pause"],
)
def test_a_promotion_says_who_must_be_promoted_too(words: list[str], said: str) -> None:
    """Alone it stays where the others are: that it goes to 100 % would not be true."""
    assert f": {said}\n" in say(trying(rollout()), "promote", "fraud", *words).stdout


def test_who_waits_for_its_group_is_not_told_of_100_percent() -> None:
    """Its own promotion moves it no further than the others."""
    waits = rollout(step=2, phase="Progressing", reason="WaitingForGroup", message="waits for prep: prep-b-1 is at 2/3")
    answer = say(trying(waits), "promote", "fraud")
    assert answer.stderr.endswith("waits for prep: prep-b-1 is at 2/3; --full goes as far as the rest of its group\n")


def test_a_member_whose_companions_rest_goes_to_100_percent() -> None:
    """Nobody holds its steps."""
    assert ": goes to 100%\n" in say(grouped(cluster(rollout())), "promote", "fraud", "--full").stdout
