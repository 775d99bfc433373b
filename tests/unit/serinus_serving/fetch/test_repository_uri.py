"""Where repository, path and revision end in the URIs of git and DVC."""

from __future__ import annotations

from pathlib import Path

import pytest

from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.errors import ArtifactUriInvalid
from serinus_serving.fetch.source import Access
from serinus_serving.fetch.sources.git import parse_path

ACCESS = Access(Credentials({}), "", Path())


@pytest.mark.parametrize(
    ("uri", "parts"),
    [
        ("git+https://h.io/o/r//m/f@v1", ("https", "h.io", "/o/r", "m/f", "v1")),
        ("git+https://h.io/o/r.git//m/f/@feature/x", ("https", "h.io", "/o/r.git", "m/f", "feature/x")),
        ("git+https://h.io:8443/r@main", ("https", "h.io:8443", "/r", "", "main")),
        ("git+https://h.io/r/", ("https", "h.io", "/r", "", "HEAD")),
        ("git+file:///srv/r//m", ("file", "", "/srv/r", "m", "HEAD")),
        ("dvc://h.io/o/r//m@v1@2", ("dvc", "h.io", "/o/r", "m", "v1@2")),
        ("dvc:///srv/r//m@v1", ("dvc", "", "/srv/r", "m", "v1")),
    ],
)
def test_a_uri_is_taken_apart(uri: str, parts: tuple[str, ...]) -> None:
    """The path follows the second `//`, the revision the first `@`."""
    found = parse_path(uri, ACCESS, "")
    assert (found.scheme, found.host, found.repository, found.path, found.revision) == parts


@pytest.mark.parametrize(
    "uri", ["git+https://h.io", "git+https://u:p@h.io/r", "git+https:///", "git+https://h.io/r//@v1"]
)
def test_what_is_no_path_is_refused(uri: str) -> None:
    """With an example of what is."""
    with pytest.raises(ArtifactUriInvalid, match="write EXAMPLE"):
        parse_path(uri, ACCESS, "EXAMPLE")
