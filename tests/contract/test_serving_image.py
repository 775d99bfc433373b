"""The image of what runs beside models, from its layers alone: nothing of the machine is in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serinus_local.mlserver_image import MLSERVER
from serinus_local.operator_image import SERVING
from serinus_local.pki import Pki
from tests.support.image_root import started, unpacked
from tests.support.servers.repositories import PASSWORD, USER, git_server, repository
from tests.support.stack import require_node

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": bytes(range(256)) * 900}


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_node()
    return unpacked(SERVING, tmp_path_factory.mktemp("serving"))


@pytest.fixture
def address(tmp_path: Path, serving: Path) -> Iterator[str]:
    """Serve a repository over TLS, by an authority that the image is given."""
    made = repository(tmp_path / "models.git")
    made.commit({f"models/fraud/{path}": content for path, content in MODEL.items()}, tag="v1")
    pki = Pki(tmp_path, ["127.0.0.1"])
    (serving / "tmp" / "ca.crt").write_bytes(Path(pki.file("ca.crt")).read_bytes())
    with git_server(tmp_path, (pki.file("apiserver.crt"), pki.file("apiserver.key"))) as host:
        yield host


def test_a_model_in_a_repository_is_fetched(serving: Path, address: str) -> None:
    """By the image's own git, over TLS, with a password, as the user that pods run as."""
    environment = {"GIT_USERNAME": USER, "GIT_PASSWORD": PASSWORD, "SSL_CERT_FILE": "/tmp/ca.crt"}
    answer = started(
        serving, "serinus-fetch", f"git+https://{address}/models.git//models/fraud@v1", "/models/fraud", **environment
    )
    assert answer.returncode == 0, answer.stderr
    folder = serving / "models" / "fraud"
    assert {str(at.relative_to(folder)): at.read_bytes() for at in folder.rglob("*") if at.is_file()} == MODEL


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("s3://models/fraud", "models"),
        ("oci://127.0.0.1:9/fraud:1", "127.0.0.1:9"),
        ("hf://org/fraud", "huggingface.co"),
        ("mlflow://models/fraud/1", "MLFLOW_TRACKING_URI"),
    ],
)
def test_every_other_scheme_finds_its_library(serving: Path, uri: str, words: str) -> None:
    """None of them gets as far as a host: that is refused, or missing, in the scheme's own words."""
    answer = started(serving, "serinus-fetch", uri, "/models/fraud-2", "--allow-host=nobody.example.com")
    assert answer.returncode == 1
    assert "ArtifactSchemeNotInstalled" not in answer.stderr
    assert words in answer.stderr


def test_what_needs_another_image_says_so(serving: Path) -> None:
    """DVC is half as much again as all else."""
    answer = started(serving, "serinus-fetch", "dvc://example.com/models//fraud@v1", "/models/fraud-3")
    assert "install serinus[serving-dvc]" in answer.stderr


def test_mlserver_and_scikit_learn_are_importable(tmp_path: Path) -> None:
    """From bytecode: a root file system that is read-only keeps none."""
    require_node()
    root = unpacked(MLSERVER, tmp_path)
    answer = started(root, "python", "-c", "import mlserver.cli, mlserver_sklearn, sklearn.linear_model, uvloop")
    assert answer.returncode == 0, answer.stderr
    compiled = root / "opt" / "serinus" / "mlserver" / "cli" / "__pycache__" / "main.cpython-311.pyc"
    assert compiled.exists()
