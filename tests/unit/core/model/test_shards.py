"""Which shard an object belongs to, and who should lead how many."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.identity import Key
from serinus.core.model.shards import MOST_SHARDS, fair_shares, shard_of

NAMES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("key", "shards", "shard"),
    [(Key("ml", "fraud"), 1, 0), (Key("ml", "fraud"), 4, 3), (Key("ml", "churn"), 4, 2), (Key("shop", "fraud"), 4, 2)],
    ids=str,
)
def test_an_object_belongs_to_the_same_shard_for_ever(key: Key, shards: int, shard: int) -> None:
    """Two versions of the operator must agree, or both would decide it."""
    assert shard_of(key, shards) == shard


def test_objects_are_spread_evenly() -> None:
    """A thousand of them over sixteen shards."""
    found = Counter(shard_of(Key("ml", f"model-{number}"), MOST_SHARDS) for number in range(1000))
    assert len(found) == MOST_SHARDS
    assert max(found.values()) < 2 * min(found.values())


@pytest.mark.parametrize(
    ("holders", "replicas", "shares"),
    [
        pytest.param(["", "", "", ""], ["a"], {"a": 4}, id="one has all"),
        pytest.param(["a"] * 4, ["a", "b"], {"a": 2, "b": 2}, id="a newcomer has half"),
        pytest.param(
            ["b", "b", "b", "a"], ["a", "b", "c"], {"a": 1, "b": 2, "c": 1}, id="who has most has the odd one"
        ),
        pytest.param(["dead", "a"], ["a"], {"a": 2}, id="the dead have none"),
        pytest.param(["a"], ["a", "b"], {"a": 1, "b": 0}, id="one for two"),
    ],
)
def test_shares(holders: list[str], replicas: list[str], shares: dict[str, int]) -> None:
    """As even as can be, with as few changes as can be."""
    assert fair_shares(holders, replicas) == shares


@given(
    st.lists(st.sampled_from(("", *NAMES)), min_size=1, max_size=MOST_SHARDS),
    st.sets(st.sampled_from(NAMES), min_size=1),
)
def test_all_shares_are_all_shards_and_differ_by_one_at_most(holders: list[str], replicas: set[str]) -> None:
    """Else a shard would be led by nobody, or change hands for ever."""
    shares = fair_shares(holders, replicas)
    assert sum(shares.values()) == len(holders)
    assert max(shares.values()) - min(shares.values()) <= 1
