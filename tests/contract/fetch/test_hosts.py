"""No request goes to a host that nobody allowed, by whichever way it is named."""

from __future__ import annotations

import pytest

from tests.contract.fetch.conftest import Fetches
from tests.support.servers.http import HttpServer

MODEL = b"onnx"


@pytest.fixture
def uri(web: HttpServer, elsewhere: HttpServer) -> str:
    """Redirect from one server to the other, where the model is."""
    (elsewhere.root / "model.onnx").write_bytes(MODEL)
    web.redirects["/moved.onnx"] = f"{elsewhere.url}/model.onnx"
    return f"{web.url}/moved.onnx"


def test_a_redirect_elsewhere_is_refused(fetches: Fetches, uri: str, elsewhere: HttpServer) -> None:
    """The other host hears nothing, and the message names it."""
    ended = fetches.run(uri)
    assert (ended.reason, elsewhere.asked) == ("ArtifactHostNotAllowed", [])
    assert f"{elsewhere.host} is not among the allowed hosts" in ended.message["message"]


def test_a_redirect_to_an_allowed_host_is_followed(
    fetches: Fetches, uri: str, web: HttpServer, elsewhere: HttpServer
) -> None:
    """Both have to be allowed; the credentials of the first are not told to the second."""
    web.authorization = "Bearer s3cret-token"
    ended = fetches.run(
        uri,
        "--allow-host", web.host, "--allow-host", elsewhere.host,
        env={"HTTP_AUTHORIZATION": web.authorization},
    )  # fmt: skip
    assert (ended.code, fetches.files()) == (0, {"1/model.onnx": MODEL}), ended.said
    assert not any("authorization" in asked.headers for asked in elsewhere.asked)


def test_a_host_that_is_not_on_the_list_is_refused(fetches: Fetches, web: HttpServer) -> None:
    """The list counts for the URI itself."""
    ended = fetches.run(f"{web.url}/model.onnx", "--allow-host", "models.example.com")
    assert (ended.reason, web.asked) == ("ArtifactHostNotAllowed", [])
    assert "ask the administrator" in ended.message["message"]


def test_another_port_of_an_allowed_host_is_refused(fetches: Fetches, web: HttpServer, elsewhere: HttpServer) -> None:
    """Where a port is named it counts."""
    ended = fetches.run(f"{elsewhere.url}/model.onnx", "--allow-host", web.host)
    assert (ended.reason, elsewhere.asked) == ("ArtifactHostNotAllowed", [])


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
    ],
)
@pytest.mark.parametrize("way", ["uri", "redirect"])
def test_a_metadata_address_is_always_refused(fetches: Fetches, web: HttpServer, address: str, way: str) -> None:
    """However it is written, and whoever allowed it."""
    target = f"http://{address}/latest/meta-data/iam/security-credentials/model.onnx"
    web.redirects["/model.onnx"] = target
    hosts = [
        argument
        for host in ("127.0.0.1", "169.254.169.254", "[::ffff:a9fe:a9fe]", address)
        for argument in ("--allow-host", host)
    ]
    ended = fetches.run(target if way == "uri" else f"{web.url}/model.onnx", *hosts)
    assert ended.reason == "ArtifactHostNotAllowed"
    assert "metadata address of the cloud" in ended.message["message"]


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "https_proxy", "All_Proxy"])
def test_a_metadata_address_is_no_proxy(fetches: Fetches, variable: str) -> None:
    """It would be asked in the name of a host that is allowed, and answers whatever the name."""
    scheme = "https" if variable == "https_proxy" else "http"
    ended = fetches.run(f"{scheme}://models.example.com/model.onnx", env={variable: "http://169.254.169.254:80"})
    assert ended.reason == "ArtifactHostNotAllowed", ended.said
    assert "the proxy 169.254.169.254 is 169.254.169.254, the metadata address" in ended.message["message"]
    assert "correct HTTP_PROXY" in ended.message["message"]


def test_a_refusal_over_tls_is_told_as_one(fetches: Fetches, web: HttpServer) -> None:
    """A library sees a broken tunnel and would try again; people see which host it was, at once."""
    ended = fetches.run("https://127.0.0.1:9/model.onnx", "--allow-host", web.host)
    assert ended.reason == "ArtifactHostNotAllowed"


MIXED = {"No_Proxy": "*"}


@pytest.mark.parametrize(
    ("uri", "variables"),
    [
        pytest.param("{}/model.onnx", {"NO_PROXY": "*", "no_proxy": "127.0.0.1"}, id="as they are written"),
        pytest.param("hf://acme/fraud", MIXED, id="in another case, of the Hub"),
        pytest.param("mlflow://models/fraud/1", MIXED, id="in another case, of MLflow"),
        pytest.param("mlflow://models/fraud/1", {"REQUEST_METHOD": "GET"}, id="as a web server sets for its programs"),
        pytest.param("s3://models/fraud", {"AWS_PROXY_EXCLUDES": "*", "PROXY_EXCLUDES": "*"}, id="of a library alone"),
    ],
)
def test_a_variable_is_no_way_around(
    fetches: Fetches, web: HttpServer, elsewhere: HttpServer, uri: str, variables: dict[str, str]
) -> None:
    """Whatever a team's Secret holds, and whichever library reads it."""
    servers = dict.fromkeys(("HF_ENDPOINT", "MLFLOW_TRACKING_URI", "AWS_ENDPOINT_URL"), elsewhere.url)
    keys = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests-secret"}
    ended = fetches.run(uri.format(elsewhere.url), "--allow-host", web.host, env=servers | keys | variables)
    assert (ended.reason, elsewhere.asked) == ("ArtifactHostNotAllowed", []), ended.said


def test_redirects_within_a_host_are_followed(fetches: Fetches, web: HttpServer) -> None:
    """Each is asked anew, also of a server that does not say when it closes."""
    (web.root / "model.onnx").write_bytes(MODEL)
    web.redirects.update({f"/{n}.onnx": f"/{n + 1}.onnx" for n in range(8)})
    web.redirects["/8.onnx"] = "/model.onnx"
    ended = fetches.run(f"{web.url}/0.onnx")
    assert (ended.code, fetches.files()) == (0, {"1/model.onnx": MODEL}), ended.said
