"""serinus-fetch in the second pod of a revision: what the first one got, or nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.contract.fetch.conftest import Ended, Fetches
from tests.support.servers.http import HttpServer

FIRST, SECOND = b"first" * 100, b"second" * 100


def first_fetch(fetches: Fetches, web: HttpServer, path: str = "model.onnx", **env: str) -> Ended:
    """Fetch as the first pod does, and keep what it tells as the operator would."""
    file = web.root / unquote(path.partition("?")[0])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(FIRST)
    (fetches.root / "artifact").mkdir(parents=True)
    ended = fetches.run(f"{web.url}/{path}", *pinned(fetches), name="first", env=env)
    for key in ("digest", "resolved"):
        (fetches.root / "artifact" / key).write_text(ended.message[key])
    return ended


def pinned(fetches: Fetches) -> tuple[str, str]:
    return "--pinned", str(fetches.root / "artifact")


def test_an_empty_folder_pins_nothing(fetches: Fetches, web: HttpServer) -> None:
    """The first pod takes what is there."""
    assert first_fetch(fetches, web).code == 0
    assert fetches.files("first") == {"1/model.onnx": FIRST}


def test_later_pods_get_the_same(fetches: Fetches, web: HttpServer) -> None:
    """And say so in the same words."""
    told = first_fetch(fetches, web).message
    again = fetches.run(f"{web.url}/model.onnx", *pinned(fetches), name="second")
    assert (again.code, again.message["digest"]) == (0, told["digest"])
    assert fetches.files("second") == fetches.files("first")


def test_what_was_overwritten_is_not_taken(fetches: Fetches, web: HttpServer) -> None:
    """Two models can never serve as one revision; the sentence has both digests and what to do."""
    told = first_fetch(fetches, web).message
    (web.root / "model.onnx").write_bytes(SECOND)
    ended = fetches.run(f"{web.url}/model.onnx", *pinned(fetches), name="second")
    assert (ended.code, ended.reason) == (1, "ArtifactChanged")
    assert told["digest"] in ended.message["message"]
    assert "commit what lies there now as a new version" in ended.message["message"]
    assert fetches.left() == ["first"]


def test_what_the_reference_stood_for_is_fetched_and_not_what_it_stands_for_now(
    fetches: Fetches, web: HttpServer, tmp_path: Path
) -> None:
    """A moved alias is no reason why a revision could get no more pods."""
    first_fetch(fetches, web)
    (web.root / "moved.onnx").write_bytes(SECOND)
    ended = fetches.run(f"{web.url}/moved.onnx", *pinned(fetches), name="second")
    assert ended.code == 0
    assert fetches.files("second") == {"1/model.onnx": FIRST}


@pytest.mark.parametrize(
    ("path", "env"),
    [
        pytest.param("model.onnx?X-Amz-Signature=abc", {}, id="a signature"),
        pytest.param("minio123/model.onnx", {"AWS_SECRET_ACCESS_KEY": "minio123"}, id="a secret in the path"),
        pytest.param(f"{'ordner/' * 145}model.onnx", {}, id="longer than is told"),
    ],
)
def test_what_is_not_told_of_an_address_is_asked_for_all_the_same(
    fetches: Fetches, web: HttpServer, path: str, env: dict[str, str]
) -> None:
    """The record holds what people may see, and every pod asks as the first one did."""
    told = first_fetch(fetches, web, path, **env).message
    assert told["resolved"] != f"{web.url}/{path}"
    asked = {each.path for each in web.asked}
    again = fetches.run(f"{web.url}/{path}", *pinned(fetches), name="second", env=env)
    assert (again.code, again.message["resolved"]) == (0, told["resolved"]), again.said
    assert {each.path for each in web.asked} == asked == {f"/{path}"}


def test_a_container_that_starts_anew_fetches_nothing_again(fetches: Fetches, web: HttpServer) -> None:
    """Even with the server gone."""
    first_fetch(fetches, web)
    (web.root / "model.onnx").unlink()
    assert fetches.run(f"{web.url}/model.onnx", *pinned(fetches), name="first").code == 0


def test_a_digest_that_is_none_is_wrong_usage(fetches: Fetches, web: HttpServer) -> None:
    """A record that was edited by hand is no pin."""
    first_fetch(fetches, web)
    (fetches.root / "artifact" / "digest").write_text("latest")
    ended = fetches.run(f"{web.url}/model.onnx", *pinned(fetches), name="second")
    assert ended.code == 2
    assert "latest is no digest" in ended.said
