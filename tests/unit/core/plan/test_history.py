"""What history is old enough to go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serinus.core.plan.revisions import obsolete_revisions, obsolete_rollouts
from tests.unit.core.plan.given import revision

REVISIONS = [revision(f"{number:010x}", number=number) for number in range(1, 6)]
NAMES = [one.name for one in REVISIONS]


def test_the_oldest_revisions_beyond_the_limit_go() -> None:
    assert obsolete_revisions(REVISIONS, keep=(), limit=3) == (NAMES[0], NAMES[1])


def test_revisions_in_use_stay_and_do_not_count() -> None:
    assert obsolete_revisions(REVISIONS, keep=(NAMES[0], NAMES[4]), limit=2) == (NAMES[1],)


def test_nothing_goes_within_the_limit() -> None:
    assert obsolete_revisions(REVISIONS, keep=(), limit=5) == ()


def test_rollouts_go_by_age_and_the_active_one_stays() -> None:
    created = {"fraud-c-1": 30.0, "fraud-a-1": 10.0, "fraud-b-1": 20.0}
    assert obsolete_rollouts(created, keep=("fraud-a-1",), limit=1) == ("fraud-b-1",)


@given(st.sets(st.sampled_from(NAMES)), st.integers(1, 10))
def test_what_is_in_use_never_goes_and_the_limit_is_kept(keep: set[str], limit: int) -> None:
    gone = obsolete_revisions(REVISIONS, keep=keep, limit=limit)
    assert not keep & set(gone)
    assert len(set(NAMES) - keep - set(gone)) <= limit
