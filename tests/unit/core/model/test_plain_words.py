"""Words of a model server as they may be shown to anybody."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.plain_words import plain_words

SECRET = "hunter2hunter2"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("unexpected inference input 'features'", "unexpected inference input 'features'", id="a sentence"),
        pytest.param("[request id: <id_unknown>] bad shape [1,2]", "bad shape [1,2]", id="the number of the request"),
        pytest.param("a\n\tb\x00\x1b[31mc\u202ed", "a b [31mc d", id="lines and controls"),
        pytest.param("", "", id="nothing"),
        pytest.param("one two three four five", "one two…", id="cut between words"),
    ],
)
def test_words_are_one_printable_line(text: str, shown: str) -> None:
    """Cut after whole words, and marked as cut."""
    assert plain_words(text, 9 if text.startswith("one") else 160) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"cannot read s3://bob:{SECRET}@bucket/key",
        f"GET https://models.example.com/fraud?X-Amz-Signature={SECRET}&x=1 gave 403",
        f"header Authorization: Bearer {SECRET}",
        f"bearer {SECRET} is not allowed",
        f"password={SECRET}",
        f"{{'api_key': '{SECRET} {SECRET}'}}",
        f'"client_secret" : "{SECRET}", "x": 1',
        f"DB_PASSWORD: {SECRET}; retry",
        f"token eyJhbGciOiJIUzI1NiJ9.{SECRET}.abc",
        f"key A1{SECRET * 3} is wrong",
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str) -> None:
    """A server may repeat what it was sent, or configured with."""
    assert SECRET not in plain_words(text, 300)


@given(st.text(max_size=3000), st.integers(8, 200))
def test_words_are_short_and_printable_whatever_was_said(text: str, most: int) -> None:
    """And saying them again changes nothing."""
    words = plain_words(text, most)
    assert len(words) <= most
    assert words.isprintable()
