"""Which Prometheus a command reads, and what it says of an address that cannot be one."""

from __future__ import annotations

from pathlib import Path

import pytest

from serinus.cli.errors import Refused
from serinus.cli.sources import chosen_source


@pytest.mark.parametrize(
    ("url", "name", "said"),
    [
        pytest.param("127.0.0.1:9090", None, "--prometheus: '127.0.0.1:9090': write it as http://host:port", id="bare"),
        pytest.param(None, None, "give the Prometheus to read from: --prometheus URL", id="none"),
        pytest.param(
            None, "main", "--source selects a Prometheus in a configuration file: add --config FILE", id="no file"
        ),
    ],
)
def test_says_which_option_is_wrong(url: str | None, name: str | None, said: str) -> None:
    """The user has written an option, and no field of a configuration."""
    with pytest.raises(Refused) as caught:
        chosen_source(url, None, name)
    assert str(caught.value).startswith(said)


def test_an_address_goes_before_that_of_the_configuration(tmp_path: Path) -> None:
    """With the credentials of the source that it stands for."""
    file = tmp_path / "serinus.yaml"
    file.write_text("prometheus: [{name: main, url: 'http://far:9090', headers: {X-Scope-OrgID: ml}}]")
    source = chosen_source("http://near:9090", file, "main")
    assert (source.base, dict(source.headers)) == ("http://near:9090", {"X-Scope-OrgID": "ml"})
