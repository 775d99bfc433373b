"""Images are docker archives whose layers are named by what is in them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from serinus_local.image import archive, layer


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
    (tmp_path / "hello").write_text("hello")
    first = layer(tmp_path / "one.tar", {"hello": tmp_path / "hello"}).read_bytes()
    (tmp_path / "hello").touch()
    assert layer(tmp_path / "two.tar", {"hello": tmp_path / "hello"}).read_bytes() == first
