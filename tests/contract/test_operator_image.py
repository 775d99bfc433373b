"""Our images, built a second time from nothing but the packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from serinus_local import cache, operator_image
from serinus_local.image import sha256
from serinus_local.operator_image import Contents
from tests.support.image_root import started, unpacked
from tests.support.stack import require_node

pytestmark = [pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a cache with nothing but what was fetched from PyPI."""
    folder = tmp_path_factory.mktemp("cache")
    (folder / "serinus").mkdir()
    (folder / "serinus" / "pypi").symlink_to(cache.folder("pypi"))
    return folder


@pytest.mark.parametrize("contents", operator_image.CHOICES.values(), ids=operator_image.CHOICES)
def test_the_same_code_and_packages_give_the_same_digest(
    tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    """Whoever builds it again can prove what is in it."""
    require_node()
    first = operator_image.write(tmp_path / "first.tar", "serinus:1", contents)
    monkeypatch.setenv("XDG_CACHE_HOME", str(empty))
    assert operator_image.write(tmp_path / "second.tar", "serinus:1", contents) == first
    assert sha256(tmp_path / "second.tar") == sha256(tmp_path / "first.tar")


def test_the_operator_starts_from_the_layers_alone(tmp_path: Path) -> None:
    """Nothing of the machine is needed: statistics and certificates are there, a shell is not."""
    require_node()
    root = unpacked(operator_image.OPERATOR, tmp_path)
    tried = (
        "import ssl, numpy, scipy.stats, grpc, tritonclient.grpc, promql_parser, serinus.app; "
        "assert ssl.create_default_context().get_ca_certs()"
    )
    answer = started(root, "python", "-W", "error::ImportWarning", "-c", tried)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert not [path for path in ("bin/sh", "usr/bin/sh", "usr/bin/apt", "usr/bin/dpkg") if (root / path).exists()]
    uncompiled = [
        path for path in (root / "opt/serinus/serinus").rglob("*.py")
        if not (path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc").exists()
    ]  # fmt: skip
    assert uncompiled == []
