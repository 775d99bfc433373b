"""What a metrics source may be asked with: secrets come from files, go over https, and stand in no message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.config import Config, ConfigError, load_config
from serinus.config_sources import PrometheusSource
from serinus.core.model.source import BasicAuth, TlsFiles

SECRET = "s3cret"
HTTPS = "https://prometheus:9090"
HTTP = "http://prometheus:9090"


def loaded(tmp_path: Path, **fields: Any) -> Config:
    file = tmp_path / "serinus.yaml"
    file.write_text(yaml.safe_dump({"prometheus": [{"name": "team", "url": HTTPS} | fields]}))
    return load_config(file)


def refusal(tmp_path: Path, **fields: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, **fields)
    [sentence] = raised.value.mistakes
    return sentence


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"http://bob:{SECRET}@p:9090", "prometheus[0].url: 'http://p:9090': source 'team' has a user or password"),
        (f"https://bob:{SECRET}@p", "use basicAuth (username, passwordFile) or bearerTokenFile"),
        (f"https://{SECRET}@p", "use basicAuth (username, passwordFile) or bearerTokenFile"),
        (f"https://bob:{SECRET}/x@p", "source 'team' has a user or password"),
        (f"https://bob:{SECRET}#x@p", "source 'team' has a user or password"),
        (f"bob:{SECRET}@p:9090", "source 'team' has a user or password"),
        (f"https://p/?token={SECRET}", "tokens belong in bearerTokenFile or headerFiles"),
        (f"https://p/#{SECRET}", "tokens belong in bearerTokenFile or headerFiles"),
        (f"p?token={SECRET}", "write it as http://host:port or https://host"),
        ("https://p:port", "write it as http://host:port or https://host"),
    ],
)
def test_a_secret_in_the_url_is_refused_and_not_repeated(tmp_path: Path, url: str, words: str) -> None:
    """The sentence names the source and the setting to use instead."""
    sentence = refusal(tmp_path, url=url)
    assert words in sentence
    assert SECRET not in sentence


def test_the_library_does_not_repeat_it_either() -> None:
    """Whoever builds a source in code gets an error that may be logged."""
    with pytest.raises(ValueError, match="basicAuth") as raised:
        PrometheusSource(name="team", url=f"http://bob:{SECRET}@p")
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"bearerToken": SECRET},
        {"bearerTokenFile": SECRET},
        {"basicAuth": {"username": "bob", "password": SECRET}},
        {"basicAuth": {"username": "bob", "passwordFile": SECRET}},
        {"basicAuth": f"bob:{SECRET}"},
        {"headers": {"X-Api-Key": SECRET}},
        {"headers": {"Authorization": f"Bearer {SECRET}"}},
        {"headers": {"Cookie": [SECRET]}},
        {"headerFiles": {"X-Api-Key": SECRET}},
        {"tlsConfig": {"keyFile": f"-----BEGIN {SECRET}"}},
        {"allowInsecureAuth": SECRET},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_secret_where_a_file_belongs_is_refused_and_not_repeated(tmp_path: Path, fields: dict[str, Any]) -> None:
    """A start that fails is logged."""
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, **fields)
    assert SECRET not in str(raised.value)


def test_two_sources_of_one_name_are_not_printed(tmp_path: Path) -> None:
    """What stands in them is nobody's business."""
    file = tmp_path / "serinus.yaml"
    file.write_text(yaml.safe_dump({"prometheus": [{"name": "a", "url": HTTPS, "headers": {"Tenant": SECRET}}] * 2}))
    with pytest.raises(ConfigError, match="must differ") as raised:
        load_config(file)
    assert SECRET not in str(raised.value)


def test_a_line_that_is_no_yaml_is_not_quoted(tmp_path: Path) -> None:
    """It is named by its number."""
    file = tmp_path / "serinus.yaml"
    file.write_text(f"prometheus:\n- name: a\n  headers: {{X: '{SECRET}}}\n")
    with pytest.raises(ConfigError, match="line 4") as raised:
        load_config(file)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({"bearerTokenFile": "/token"}, "bearerTokenFile"),
        ({"basicAuth": {"username": "bob", "passwordFile": "/password"}}, "basicAuth"),
        ({"headerFiles": {"X-Api-Key": "/key"}}, "headerFiles.X-Api-Key"),
    ],
)
def test_a_secret_goes_over_http_only_where_that_is_asked_for(
    tmp_path: Path, fields: dict[str, Any], sent: str
) -> None:
    """By default it is refused at the start."""
    assert refusal(tmp_path, url=HTTP, **fields) == (
        f"prometheus[0]: source 'team' would send {sent} over plain http: "
        "write url as https://…, or set allowInsecureAuth: true"
    )
    assert loaded(tmp_path, url=HTTP, allowInsecureAuth=True, **fields).prometheus[0].allow_insecure_auth
    assert loaded(tmp_path, **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"bearerTokenFile": "/t", "basicAuth": {"username": "bob", "passwordFile": "/p"}},
            "has bearerTokenFile and basicAuth: use one of them",
        ),
        ({"bearerTokenFile": "/t", "headerFiles": {"authorization": "/h"}}, "use one of them"),
        ({"headers": {"X-Org": "a"}, "headerFiles": {"x-org": "/h"}}, "sets a header twice"),
        ({"headers": {"Host": "a"}}, "cannot set the header host"),
        ({"headers": {"X Org": "a"}}, "cannot set the header x org"),
        ({"headers": {"X-Org": "a\nb"}}, "must be one line of ASCII"),
        ({"tlsConfig": {"certFile": "/c"}}, "certFile and keyFile belong together"),
        ({"url": HTTP, "tlsConfig": {"caFile": "/ca"}}, "has tlsConfig but no TLS"),
        ({"enforcedLabel": "name space"}, "enforcedLabel"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path: Path, fields: dict[str, Any], words: str) -> None:
    """At the start, not at the first rollout."""
    assert words in refusal(tmp_path, **fields)


def test_every_setting_reaches_the_adapters(tmp_path: Path) -> None:
    """One value for the operator's questions and for the command line's."""
    source = loaded(
        tmp_path,
        basicAuth={"username": "bob", "passwordFile": "/password"},
        headers={"X-Scope-OrgID": "ml"},
        headerFiles={"X-Api-Key": "/key"},
        tlsConfig={"caFile": "/ca", "certFile": "/cert", "keyFile": "/key.pem"},
        enforcedLabel="namespace",
    ).prometheus[0]
    made = source.source()
    assert (made.name, made.url, made.enforced_label) == ("team", HTTPS, "namespace")
    assert made.basic_auth == BasicAuth("bob", Path("/password"))
    assert (made.headers, made.header_files) == ({"X-Scope-OrgID": "ml"}, {"X-Api-Key": Path("/key")})
    assert made.tls == TlsFiles(Path("/ca"), Path("/cert"), Path("/key.pem"))


def test_a_tenants_header_is_no_secret(tmp_path: Path) -> None:
    """It stands in the configuration, and travels over http."""
    assert loaded(tmp_path, url=HTTP, headers={"X-Scope-OrgID": "ml"}).prometheus[0].headers == {"X-Scope-OrgID": "ml"}
