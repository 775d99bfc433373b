"""An image without the packages of a scheme says which extra brings them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.fetch.conftest import OPERATOR, Fetches


@pytest.mark.parametrize(
    ("uri", "package", "extra"),
    [
        pytest.param("oci://example.com/models/fraud:v1", "oras", "serving", id="oci"),
        pytest.param("hf://acme/fraud", "huggingface_hub", "serving", id="hf"),
        pytest.param("mlflow://models/fraud/1", "mlflow", "serving", id="mlflow"),
        pytest.param("dvc://example.com/models//fraud@v1", "dvc", "serving-dvc", id="dvc"),
    ],
)
def test_the_extra_is_named(fetches: Fetches, tmp_path: Path, uri: str, package: str, extra: str) -> None:
    """The sentence has the package that is missing and what to install."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.modules[{package!r}] = None\n")
    outcome = fetches.run(uri, env={"PYTHONPATH": f"{tmp_path}:{OPERATOR}"})
    assert outcome.reason == "ArtifactSchemeNotInstalled", outcome.said
    assert package in outcome.message["message"]
    assert f"serinus[{extra}]" in outcome.message["message"]


def test_git_that_is_missing_is_named(fetches: Fetches, tmp_path: Path) -> None:
    """git+https:// needs no package of Python but the program."""
    outcome = fetches.run("git+https://example.com/models//fraud@v1", env={"PATH": str(tmp_path)})
    assert outcome.reason == "ArtifactSchemeNotInstalled"
    assert "install git" in outcome.message["message"]
