"""Nothing secret is shown, wherever a library puts it."""

from __future__ import annotations

import pytest

from serinus_serving.fetch.credentials import Credentials

CREDENTIALS = Credentials(
    {
        "AWS_SECRET_ACCESS_KEY": "verysecretkey",
        "HF_TOKEN": "hf_abcdef",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
        "AWS_REGION": "eu-central-1",
        "EMPTY": "",
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("key verysecretkey refused", "key *** refused", id="a secret"),
        pytest.param("no such file /var/run/token", "no such file /var/run/token", id="where one is kept"),
        pytest.param("region eu-central-1", "region eu-central-1", id="what is none"),
        pytest.param("https://me:pw@example.com/a", "https://***@example.com/a", id="a password in an address"),
        pytest.param(
            "GET https://h/a?X-Amz-Signature=1&b=2 failed", "GET https://h/a?*** failed", id="a signed address"
        ),
        pytest.param("is it there? a=b", "is it there? a=b", id="a question"),
    ],
)
def test_texts_are_cleared_of_secrets(text: str, expected: str) -> None:
    """Messages end in a status that many can read."""
    assert CREDENTIALS.hide(text) == expected


def test_nothing_is_shown_by_accident() -> None:
    """A traceback shows arguments."""
    assert "verysecretkey" not in repr(CREDENTIALS)


def test_the_first_variable_that_says_something_counts() -> None:
    """A key of a Secret may be empty."""
    assert CREDENTIALS.get("EMPTY", "MISSING", "AWS_REGION") == "eu-central-1"
    assert CREDENTIALS.get("EMPTY") is None
