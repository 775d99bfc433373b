"""Images are archives, Docker's or OCI's, whose layers are named by what is in them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from serinus_local import chart, oci
from serinus_local.image import archive, layer
from serinus_local.operator_image import OPERATOR, SERVING, Contents


def test_an_archive_holds_the_layers_and_a_config_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "hello").write_text("#!/bin/sh\n")
    one = layer(tmp_path / "one.tar", {"/bin/hello": tmp_path / "hello"}, folders=["tmp"])
    made = archive(tmp_path / "image.tar", "docker.io/local/hello:1", [one], {"Entrypoint": ["/bin/hello"]})
    digest = hashlib.sha256(one.read_bytes()).hexdigest()
    with tarfile.open(made) as tar:
        index = json.load(tar.extractfile("manifest.json") or [])[0]
        config = json.load(tar.extractfile(index["Config"]) or [])
    assert index["RepoTags"] == ["docker.io/local/hello:1"]
    assert index["Layers"] == [f"{digest}.tar"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert config["config"] == {"Entrypoint": ["/bin/hello"]}


def test_a_layer_is_the_same_whoever_makes_it_and_when(tmp_path: Path) -> None:
    """Neither the time of a file nor the umask of its owner is in it."""
    (tmp_path / "hello").write_text("hello")
    (tmp_path / "hello").chmod(0o644)
    first = layer(tmp_path / "one.tar", {"hello": tmp_path / "hello"}).read_bytes()
    (tmp_path / "hello").touch()
    (tmp_path / "hello").chmod(0o600)
    assert layer(tmp_path / "two.tar", {"hello": tmp_path / "hello"}).read_bytes() == first


def test_what_everybody_may_execute_is_what_its_owner_may(tmp_path: Path) -> None:
    """A program stays one, a file does not turn into one, and everybody may write to tmp."""
    for name, mode in (("program", 0o700), ("file", 0o600)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    made = layer(tmp_path / "layer.tar", {name: tmp_path / name for name in ("program", "file")}, folders=["tmp"])
    with tarfile.open(made) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"tmp": 0o1777, "program": 0o755, "file": 0o644}


def test_bytecode_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    """What the Python of here has compiled may not be for the image's."""
    (tmp_path / "package" / "__pycache__").mkdir(parents=True)
    for with_bytecode, names in ((False, ["package"]), (True, ["package", "package/__pycache__"])):
        made = layer(tmp_path / "layer.tar", {"package": tmp_path / "package"}, with_bytecode=with_bytecode)
        with tarfile.open(made) as tar:
            assert tar.getnames() == names


def test_every_digest_of_an_oci_archive_is_that_of_a_blob_in_it(tmp_path: Path) -> None:
    """From the index over the manifest to the layers; what Docker reads beside it names the same blobs."""
    layers = _layers(tmp_path)
    digest = oci.write(tmp_path / "image.tar", "registry.example.com/hello:1", layers, {"User": "65532"})
    with tarfile.open(tmp_path / "image.tar") as tar:
        blobs = {entry.name: (tar.extractfile(entry) or io.BytesIO()).read() for entry in tar}
    assert json.loads(blobs["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (entry,) = json.loads(blobs["index.json"])["manifests"]
    assert entry["digest"] == digest
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == "1"
    manifest = json.loads(_blob(blobs, entry))
    config = json.loads(_blob(blobs, manifest["config"]))
    assert [_blob(blobs, each) for each in manifest["layers"]] == [path.read_bytes() for path in layers]
    assert config["rootfs"]["diff_ids"] == [each["digest"] for each in manifest["layers"]]
    assert len(config["history"]) == len(manifest["layers"])  # else nobody can build upon it
    (docker,) = json.loads(blobs["manifest.json"])
    assert docker["RepoTags"] == ["registry.example.com/hello:1"]
    assert json.loads(blobs[docker["Config"]]) == config
    assert [f"sha256:{Path(each).name}" for each in docker["Layers"]] == config["rootfs"]["diff_ids"]


def test_an_oci_archive_that_is_written_again_is_the_same(tmp_path: Path) -> None:
    """Byte for byte, so that its digest proves what is in it."""
    layers = _layers(tmp_path)
    for name in ("first", "second"):
        oci.write(tmp_path / f"{name}.tar", "hello:1", layers, {})
        layers[0].touch()
    assert (tmp_path / "first.tar").read_bytes() == (tmp_path / "second.tar").read_bytes()


@pytest.mark.parametrize(("stage", "contents"), [("operator", OPERATOR), ("serving", SERVING)])
def test_the_dockerfile_runs_what_the_archive_runs(stage: str, contents: Contents) -> None:
    """User, environment, command and labels are said twice, in two languages."""
    said = dict(line.partition(" ")[::2] for line in _stage(stage))
    assert {
        "User": said["USER"],
        "Env": said["ENV"].split(),
        "Entrypoint": json.loads(said["ENTRYPOINT"]),
        "Cmd": json.loads(said.get("CMD", "[]")),
        "Labels": dict(label.split("=") for label in said["LABEL"].split()),
    } == contents.config


@pytest.mark.parametrize(("stage", "contents"), [("operator", OPERATOR), ("serving", SERVING)])
def test_the_dockerfile_copies_every_layer(stage: str, contents: Contents) -> None:
    """From the lowest up: a later one may overwrite files of an earlier one."""
    copied = [line.split()[2].split("/")[2] for line in _stage(stage) if line.startswith("COPY")]
    programs = ["programs"] if contents.debian else []
    assert copied == ["base", *programs, "dependencies", "code"]


def test_what_a_plain_build_gives_is_the_operator() -> None:
    """Docker builds the last stage unless it is told another."""
    assert (chart.REPOSITORY / "Dockerfile").read_text().rpartition("FROM ")[2].splitlines() == _stage("operator")


def _stage(name: str) -> list[str]:
    """Give the lines of a stage of the Dockerfile, the first without its FROM."""
    stages = (chart.REPOSITORY / "Dockerfile").read_text().split("FROM ")[1:]
    return next(lines for stage in stages if (lines := stage.splitlines())[0].endswith(f" AS {name}"))


def _layers(folder: Path) -> list[Path]:
    (folder / "hello").write_text("hello")
    return [
        layer(folder / "one.tar", {"hello": folder / "hello"}),
        layer(folder / "two.tar", {"again/hello": folder / "hello"}),
    ]


def _blob(blobs: dict[str, bytes], described: dict[str, Any]) -> bytes:
    """Return the blob that is described, held against its size and its digest."""
    content = blobs["blobs/sha256/" + described["digest"].removeprefix("sha256:")]
    assert len(content) == described["size"]
    assert "sha256:" + hashlib.sha256(content).hexdigest() == described["digest"]
    return content
