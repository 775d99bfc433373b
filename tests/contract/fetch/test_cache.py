"""serinus-fetch with a cache: what one pod has fetched, the next one has without the network."""

from __future__ import annotations

import io
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from serinus_serving.fetch.transfer import PART
from tests.contract.fetch.conftest import Ended, Fetches
from tests.support.servers.http import HttpServer
from tests.support.servers.hub import hub

LARGE = 3 * PART + 5
HUGE = 1 << 30
CONTENT = random.Random(21).randbytes(LARGE)


class Pods:
    """Pods that fetch one model and share a cache."""

    def __init__(self, fetches: Fetches, web: HttpServer) -> None:
        self.fetches = fetches
        self.web = web
        self.cache = fetches.root / "cache"
        self.options = ["--cache", str(self.cache)]
        (web.root / "model.onnx").write_bytes(CONTENT)
        self.uri = f"{web.url}/model.onnx"

    def fetch(self, name: str, *options: str) -> Ended:
        return self.fetches.run(self.uri, *self.options, *options, name=name)

    def asked(self) -> int:
        """Count the requests since the last time."""
        count = len(self.web.asked)
        self.web.asked.clear()
        return count

    def whole(self, name: str) -> bool:
        """Tell whether a pod has the model."""
        return self.fetches.files(name) == {"1/model.onnx": CONTENT}

    @property
    def kept(self) -> list[Path]:
        """What the cache holds, locks left out."""
        return [at for at in self.cache.iterdir() if at.name != "locks"] if self.cache.is_dir() else []


@pytest.fixture
def pods(fetches: Fetches, web: HttpServer) -> Pods:
    return Pods(fetches, web)


def test_a_second_pod_needs_no_network(pods: Pods) -> None:
    """The message says where the model came from, and the rest is as it was."""
    first = pods.fetch("first")
    assert (first.code, pods.asked() > 0, "cached" in first.message) == (0, True, False), first.said
    second = pods.fetch("second", "--digest", first.message["digest"])
    assert (second.code, pods.asked(), pods.whole("second")) == (0, 0, True), second.said
    changed = {"cached": True, "seconds": second.message["seconds"]}
    assert second.message == first.message | changed


def test_a_revision_without_a_digest_is_known_by_its_first_pod(pods: Pods) -> None:
    """The record that the operator keeps of it is the key."""
    told = pods.fetch("first").message
    for key in ("digest", "resolved"):
        (pods.fetches.root / "artifact").mkdir(exist_ok=True)
        (pods.fetches.root / "artifact" / key).write_text(told[key])
    pods.asked()
    second = pods.fetch("second", "--pinned", str(pods.fetches.root / "artifact"))
    assert (second.code, pods.asked(), pods.whole("second")) == (0, 0, True), second.said
    assert second.message["resolved"] == told["resolved"]


def test_a_server_that_needs_more_of_a_model_is_refused_as_without_a_cache(pods: Pods) -> None:
    """It was kept for a server that needs no file of that name."""
    as_is = ("--layout", "as-is")
    told = pods.fetch("first", *as_is).message
    second = pods.fetch("second", *as_is, "--need", "model-settings.json", "--digest", told["digest"])
    assert (second.code, second.message["reason"]) == (1, "ArtifactLayout"), second.said


def test_without_a_digest_the_place_is_asked(pods: Pods) -> None:
    """Nobody could know what lies there now."""
    pods.fetch("first")
    pods.asked()
    pods.fetch("second")
    assert pods.asked() > 0


def test_models_that_belong_together_are_kept_together(pods: Pods) -> None:
    """An ensemble and its step, with the folder that holds nothing."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("fraud/config.pbtxt", 'platform: "ensemble"')
        archive.writestr("step/1/model.py", "")
    (pods.web.root / "m.zip").write_bytes(made.getvalue())
    pods.uri = f"{pods.web.url}/m.zip"
    digest = pods.fetch("fraud").message["digest"]
    for name in ("fraud", "step"):
        shutil.rmtree(pods.fetches.models / name)
    pods.asked()
    ended = pods.fetch("fraud", "--digest", digest)
    assert (ended.code, pods.asked(), pods.fetches.left()) == (0, 0, ["fraud", "step"]), ended.said
    assert (pods.fetches.models / "fraud" / "1").is_dir()


def test_several_models_without_the_one_of_this_name_are_refused_as_without_a_cache(pods: Pods) -> None:
    """They were kept for a deployment of another name: a pod never starts without its model."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("fraud/1/model.py", "")
        archive.writestr("step/1/model.py", "")
    (pods.web.root / "m.zip").write_bytes(made.getvalue())
    pods.uri = f"{pods.web.url}/m.zip"
    digest = pods.fetch("fraud").message["digest"]
    without = pods.fetches.run(pods.uri, "--digest", digest, name="other")
    ended = pods.fetch("other", "--digest", digest)
    assert (ended.code, ended.message) == (1, without.message), ended.said
    assert not (pods.fetches.models / "other").exists()


def test_an_alias_is_asked_for_although_its_bytes_are_kept(pods: Pods) -> None:
    """Nobody knows what it stands for: told as it is, later pods would follow it to another model."""
    digest = pods.fetch("first").message["digest"]
    pods.uri = "hf://acme/fraud@main"
    with hub() as served:
        commit = served.commit("acme/fraud", {"model.onnx": CONTENT})
        ended = pods.fetches.run(
            pods.uri, *pods.options, "--digest", digest, name="second", env={"HF_ENDPOINT": served.endpoint}
        )
    assert (ended.code, ended.message["resolved"]) == (0, f"hf://acme/fraud@{commit}"), ended.said


def test_two_pods_at_once_fetch_it_once(pods: Pods) -> None:
    """The second waits for the first, and takes what it kept."""
    digest = pods.fetches.run(pods.uri, name="elsewhere").message["digest"]
    pods.web.sent = 0
    arguments = (pods.uri, *pods.options, "--digest", digest)
    log = "--termination-log", str(pods.fetches.root / "other-log")
    with (
        pods.fetches.start(*arguments, name="one") as one,
        pods.fetches.start(*arguments, *log, name="other") as other,
    ):
        said = one.communicate()[1] + other.communicate()[1]
    assert (one.returncode, other.returncode, pods.whole("one"), pods.whole("other")) == (0, 0, True, True), said
    assert pods.web.sent <= LARGE + 2  # the first byte is asked for to know the size


def test_a_pod_that_is_killed_while_others_wait_costs_them_nothing(pods: Pods) -> None:
    """The next in turn fetches, and nobody takes half of a model for a whole one."""
    digest = pods.fetches.run(pods.uri, name="elsewhere").message["digest"]
    pods.web.bytes_until_cut = 2 * PART
    with pods.fetches.start(pods.uri, *pods.options, "--digest", digest, name="one") as one:
        assert pods.web.cut.wait(60)
        one.kill()
    pods.web.bytes_until_cut = None
    ended = pods.fetch("other", "--digest", digest)
    assert (ended.code, pods.whole("other"), len(pods.kept)) == (0, True, 1), ended.said


def test_a_pod_that_is_killed_while_it_fills_the_cache_leaves_no_half(pods: Pods) -> None:
    """What it had written goes when the next model is kept."""
    with (pods.web.root / "model.onnx").open("wb") as made:
        made.truncate(HUGE)
    with pods.fetches.start(pods.uri, *pods.options, name="one") as one:
        while not pods.kept and one.poll() is None:
            pass
        one.kill()
    assert (one.returncode, [at.name.startswith(".new-") for at in pods.kept]) == (-9, [True])
    (pods.web.root / "model.onnx").write_bytes(CONTENT)
    ended = pods.fetch("other")
    assert (ended.code, pods.whole("other"), len(pods.kept)) == (0, True, 1), ended.said
    assert not pods.kept[0].name.startswith(".")


def _changed(entry: Path) -> None:
    with (entry / "files" / "1" / "model.onnx").open("r+b") as opened:
        opened.seek(PART)
        opened.write(b"x")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(_changed, id="a byte of it"),
        pytest.param(lambda entry: (entry / "files" / "1" / "model.onnx").write_bytes(b""), id="empty"),
        pytest.param(lambda entry: shutil.rmtree(entry / "files"), id="gone"),
    ],
)
def test_what_was_changed_in_the_cache_is_fetched_again(pods: Pods, spoil: Callable[[Path], None]) -> None:
    """No pod ever serves it, and the cache is right again."""
    digest = pods.fetch("first").message["digest"]
    spoil(pods.kept[0])
    pods.asked()
    second = pods.fetch("second", "--digest", digest)
    assert (second.code, pods.asked() > 0, pods.whole("second")) == (0, True, True), second.said
    third = pods.fetch("third", "--digest", digest)
    assert (third.code, pods.asked(), pods.whole("third")) == (0, 0, True), third.said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param(["--cache-size", "1000"], "1000 are for all models", id="too small"),
        pytest.param(["--cache-keep-free", "99"], "the cache does not keep it", id="a full volume"),
        pytest.param(["--cache", "/proc/cache"], "check its volume, and who may write to it", id="not writable"),
    ],
)
def test_a_cache_that_cannot_keep_it_is_no_reason_to_fail(pods: Pods, options: list[str], sentence: str) -> None:
    """The pod starts with what it fetched, and the log says why it is not kept."""
    ended = pods.fetch("first", *options)
    assert (ended.code, pods.whole("first"), pods.kept) == (0, True, []), ended.said
    assert sentence in ended.said


def test_what_must_not_load_is_not_kept(pods: Pods) -> None:
    """Other bytes than those that were asked for."""
    ended = pods.fetch("first", "--digest", f"sha256:{'0' * 64}")
    assert (ended.reason, pods.kept) == ("ArtifactDigestMismatch", [])


def test_a_percentage_that_is_none_is_wrong_usage(pods: Pods) -> None:
    """With the value and what may stand there."""
    ended = pods.fetch("first", "--cache-keep-free", "100")
    assert (ended.code, "100 is no percentage from 0 to 99" in ended.said) == (2, True)
