"""What answers is no store, or what was set is no address and no key: one sentence, and never a traceback."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.contract.fetch.conftest import Fetches
from tests.support.scripted_server import answers, scripted_server
from tests.support.servers.http import HttpServer

LOGIN_PAGE = "<html>log in</html>"
SOURCES = {
    "oci": "oci://{host}/models/fraud:v1",
    "hf": "hf://acme/fraud",
    "mlflow": "mlflow://models/fraud/1",
}
KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests-secret"}
TITLE = {"annotations": {"org.opencontainers.image.title": "model.onnx"}}
LAYER = {"mediaType": "a/file", "digest": f"sha256:{'a' * 64}", "size": 1, **TITLE}

FAILS = """
from serinus_serving.fetch import cli
class PanicException(BaseException):
    pass
def fetch(*_):
    raise {error}
cli.fetch = fetch
cli.main()
"""
"""The program, with an error in the middle that nobody has thought of."""


def without(field: str) -> dict[str, object]:
    return {name: value for name, value in LAYER.items() if name != field}


async def ask(fetches: Fetches, uri: str, body: object) -> tuple[str | None, str, str]:
    """Fetch from a server that always answers the same; return the reason, its sentence and what was said."""
    async with scripted_server() as server:
        server.will(answers(body))
        named = dict.fromkeys(("HF_ENDPOINT", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"), server.url)
        host = server.url.removeprefix("http://")
        ended = await asyncio.to_thread(fetches.run, uri.format(host=host), env=named | KEYS)
    return ended.reason, ended.message.get("message", ""), ended.said


@pytest.mark.parametrize(
    ("scheme", "body"),
    [
        pytest.param("oci", "[]", id="a list, of a registry"),
        pytest.param("oci", "null", id="null, of a registry"),
        pytest.param("hf", LOGIN_PAGE, id="a login page, of the Hub"),
        pytest.param("hf", "{}", id="an empty object, of the Hub"),
        pytest.param("mlflow", LOGIN_PAGE, id="a login page, of MLflow"),
        pytest.param("mlflow", "[]", id="a list, of MLflow"),
    ],
)
async def test_what_is_no_answer_of_the_kind_is_said_to_be_none(fetches: Fetches, scheme: str, body: str) -> None:
    """A proxy, a login page or another server stands there."""
    reason, sentence, said = await ask(fetches, SOURCES[scheme], body)
    assert (reason, "check" in sentence, "Traceback" in said) == ("ArtifactUnreachable", True, False), said


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        pytest.param([without("mediaType")], "ArtifactUnreachable", id="no type"),
        pytest.param([without("digest")], "ArtifactUnreachable", id="no digest"),
        pytest.param([LAYER | {"size": "large"}], "ArtifactUnreachable", id="a size that is no number"),
        pytest.param([LAYER | {"size": -1}], "ArtifactUnsafe", id="a size below nothing"),
        pytest.param([None], "ArtifactUnreachable", id="no layer"),
        pytest.param(3, "ArtifactUnreachable", id="no list"),
    ],
)
async def test_a_manifest_that_is_none_is_said_to_be_none(fetches: Fetches, layers: object, reason: str) -> None:
    """Whatever is missing in it; the volume is not blamed."""
    found, sentence, said = await ask(fetches, SOURCES["oci"], json.dumps({"schemaVersion": 2, "layers": layers}))
    assert (found, "Traceback" in said) == (reason, False), said
    assert "push" in sentence or "upload the model anew" in sentence


@pytest.mark.parametrize(
    ("uri", "variable", "value"),
    [
        pytest.param("s3://models/fraud", "AWS_ENDPOINT_URL", "minio:9000", id="S3, no scheme"),
        pytest.param("s3://models/fraud", "AWS_ENDPOINT_URL", "http://minio:port", id="S3, a port that is no number"),
        pytest.param("s3://models/fraud", "AWS_ENDPOINT_URL", "http://mi\nnio:9000", id="S3, a new line"),
        pytest.param("az://models/fraud", "AZURE_STORAGE_ENDPOINT", "azurite:10000", id="Azure"),
        pytest.param("gs://models/fraud", "STORAGE_EMULATOR_HOST", "a host:4443", id="Google"),
        pytest.param("hf://acme/fraud", "HF_ENDPOINT", "huggingface.co", id="Hub"),
        pytest.param("mlflow://models/fraud/1", "MLFLOW_TRACKING_URI", "http://", id="MLflow"),
    ],
)
def test_an_address_that_is_none_is_named(fetches: Fetches, uri: str, variable: str, value: str) -> None:
    """With its variable and how one is written, before anything is asked."""
    ended = fetches.run(uri, env={"AZURE_STORAGE_ACCOUNT_NAME": "account", variable: value})
    assert (ended.code, ended.reason) == (1, "ArtifactUriInvalid"), ended.said
    assert f"cannot be read: {variable} is " in ended.message["message"]
    assert "write http://HOST:PORT or https://HOST" in ended.message["message"]


@pytest.mark.parametrize(
    ("uri", "variables"),
    [
        pytest.param("hf://acme/fraud", {"HF_TOKEN": "hf_abcdéfgh"}, id="Hub"),
        pytest.param("mlflow://models/fraud/1", {"MLFLOW_TRACKING_TOKEN": "токен-abc"}, id="MLflow"),
        pytest.param("s3://models/fraud", {"AWS_ACCESS_KEY_ID": "ключ", "AWS_SECRET_ACCESS_KEY": "ключ-abc"}, id="S3"),
    ],
)
def test_a_key_that_is_none_is_named_and_not_shown(
    fetches: Fetches, web: HttpServer, uri: str, variables: dict[str, str]
) -> None:
    """A header cannot hold it, and a library says so with all of it."""
    servers = dict.fromkeys(("HF_ENDPOINT", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"), web.url)
    ended = fetches.run(uri, env=servers | variables)
    *_, name = variables
    assert ended.reason in ("ArtifactDenied", "ArtifactNotFound"), ended.said
    for form in (variables[name], ascii(variables[name])[1:-1]):
        assert form not in ended.said
    assert ended.reason != "ArtifactDenied" or name in ended.message["message"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param("KeyError('tests-secret')", id="of Python"),
        pytest.param("PanicException('unwrap of tests-secret')", id="of Rust, which is no Exception"),
    ],
)
def test_an_error_that_nobody_has_thought_of_is_one_sentence(fetches: Fetches, error: str) -> None:
    """The operator has a reason, and nobody a secret; what a developer needs is in the log."""
    fetches.root.mkdir()  # the log of a container is there before it starts
    fetches.program = ("-c", FAILS.format(error=error))
    ended = fetches.run("s3://models/fraud", env=KEYS)
    assert (ended.code, ended.reason, "tests-secret" in ended.said) == (1, "ArtifactUnreachable", False), ended.said
    assert ended.message["message"].startswith(f"s3://models/fraud cannot be fetched ({error.partition('(')[0]}: ")
    assert "Traceback" in ended.said
