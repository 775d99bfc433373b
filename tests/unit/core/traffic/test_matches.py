"""A cohort in the terms of a VirtualService, and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.matches import By, Match, Part, read_match, write_match
from serinus.core.traffic.istio.matches import read_match_of, render_match

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,9}", fullmatch=True)
MATCHES = st.builds(Match, st.sampled_from(list(Part)), NAMES, st.sampled_from(list(By)), TEXT)


@given(MATCHES.filter(lambda match: (match.part, match.name) != (Part.HEADER, "cookie")))
def test_what_is_rendered_is_read_back(match: Match) -> None:
    assert read_match_of(render_match(match)) == match


@given(MATCHES.filter(lambda match: match.value == match.value.strip()))
def test_what_a_status_stores_is_read_back(match: Match) -> None:
    """Admission lets no value pass with blanks around it."""
    assert read_match(write_match(match)) == match


@pytest.mark.parametrize(
    ("by", "value", "cookies", "matched"),
    [
        (By.EXACT, "premium", "tier=premium", True),
        (By.EXACT, "premium", "a=1; tier=premium; b=2", True),
        (By.EXACT, "premium", "a=1;tier=premium", True),
        (By.EXACT, "premium", "tier=premium2", False),
        (By.EXACT, "premium", "nottier=premium", False),
        (By.EXACT, "p.emium", "tier=premium", False),
        (By.PREFIX, "pre", "tier=premium; b=2", True),
        (By.PREFIX, "pre", "tier=free; b=pre", False),
        (By.REGEX, "premium|staff", "b=2; tier=staff", True),
        (By.REGEX, "premium|staff", "tier=staffing", False),
    ],
)
def test_a_cookie_is_found_among_others(by: By, value: str, cookies: str, matched: bool) -> None:
    """Envoy matches a regex against the whole header."""
    regex = render_match(Match(Part.COOKIE, "tier", by, value))["cookie"]["regex"]
    assert (re.fullmatch(regex, cookies) is not None) is matched


@pytest.mark.parametrize(
    "headers",
    [{}, {"a": {"exact": "1"}, "b": {"exact": "2"}}, {"a": {"suffix": "1"}}, {"a": {}}],
    ids=["none", "two", "another way", "no way"],
)
def test_what_we_do_not_render_is_not_read(headers: dict[str, dict[str, str]]) -> None:
    with pytest.raises(ValueError):
        read_match_of(headers)
