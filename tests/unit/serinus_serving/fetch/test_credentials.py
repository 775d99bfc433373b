"""Nothing secret is shown, wherever a library puts it."""

from __future__ import annotations

import pytest

from serinus_serving.fetch.credentials import Credentials

PASSWORD = "pa/ss\nwörd"
CREDENTIALS = Credentials(
    {
        "AWS_SECRET_ACCESS_KEY": "verysecretkey",
        "HF_TOKEN": "hf_abcdef",
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/token",
        "AWS_REGION": "eu-central-1",
        "EMPTY": "",
        "MLFLOW_TRACKING_TOKEN": " tok_abcdef\r\n",
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        "ORAS_PASS": "hunter22",
        "HTTP_AUTHORIZATION": "Bearer abcd1234",
        "DOCKER_AUTH_CONFIG": '{"auths": {"r": {"username": "me", "password": "pull-secret"}}}',
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=account;AccountKey=YWNjb3VudA==;BlobEndpoint=http://a",
        "AZURE_STORAGE_SAS_TOKEN": "sv=2024-01-01&sig=signature1",
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
        pytest.param("illegal b'Bearer tok_abcdef'", "illegal b'Bearer ***'", id="a secret with a new line"),
        pytest.param(f"illegal {PASSWORD!r}", "illegal '***'", id="escaped by Python"),
        pytest.param(f"illegal {PASSWORD!a}", "illegal '***'", id="escaped to ASCII"),
        pytest.param("login=pa%2Fss%0Aw%C3%B6rd", "login=***", id="quoted"),
        pytest.param("hunter22 refused", "*** refused", id="a password with a short name"),
        pytest.param("abcd1234 refused", "*** refused", id="the token of a header"),
        pytest.param("pull-secret refused", "*** refused", id="a password within JSON"),
        pytest.param("YWNjb3VudA== is no key of account", "*** is no key of account", id="in a connection string"),
        pytest.param("sig signature1", "sig ***", id="a signature"),
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


def test_space_around_a_value_is_taken_away() -> None:
    """A Secret that was made from a file ends in a new line."""
    assert CREDENTIALS.get("MLFLOW_TRACKING_TOKEN") == "tok_abcdef"
