"""Writes an OCI archive: one tar with the layout of https://github.com/opencontainers/image-spec/blob/main/image-layout.md.

`ctr images import`, `skopeo copy oci-archive:…`, `podman load` and `docker load` read it; the last one by
the `manifest.json` that `docker save` writes beside the layout, too. Layers are not compressed: clients compress what
they push, and the digest does not depend on a compressor's version.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from serinus_local.image import add_bytes, configuration, sha256

_MEDIA = "application/vnd.oci.image"
_BLOBS = "blobs/sha256"


def write(target: Path, name: str, layers: Sequence[Path], config: Mapping[str, object]) -> str:
    """Write an image called `name` (registry/repository:tag) and return its digest, `sha256:` and 64 hex digits."""
    sums = [sha256(path) for path in layers]
    described = configuration(config, sums)
    blobs = [_blob("layer.v1.tar", digest, path.stat().st_size) for digest, path in zip(sums, layers, strict=True)]
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}.manifest.v1+json",
            "config": _blob("config.v1+json", _sum(described), len(described)),
            "layers": blobs,
        }
    )
    unfinished = target.with_suffix(".new")
    with tarfile.open(unfinished, "w") as tar:
        add_bytes(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
        add_bytes(tar, "index.json", _index(name, manifest))
        add_bytes(tar, "manifest.json", _for_docker(name, _sum(described), sums))
        for content in (manifest, described):
            add_bytes(tar, f"{_BLOBS}/{_sum(content)}", content)
        # Two layers with the same files are one blob.
        for digest, path in dict(zip(sums, layers, strict=True)).items():
            tar.add(path, arcname=f"{_BLOBS}/{digest}", filter=_unowned)
    unfinished.rename(target)
    return f"sha256:{_sum(manifest)}"


def _index(name: str, manifest: bytes) -> bytes:
    # The first annotation is the layout's own and holds the tag alone; containerd and Docker read the second one.
    annotations = {"org.opencontainers.image.ref.name": name.rpartition(":")[2], "io.containerd.image.name": name}
    entry = {**_blob("manifest.v1+json", _sum(manifest), len(manifest)), "annotations": annotations}
    return _json({"schemaVersion": 2, "mediaType": f"{_MEDIA}.index.v1+json", "manifests": [entry]})


def _for_docker(name: str, config: str, layers: Sequence[str]) -> bytes:
    blobs = [f"{_BLOBS}/{digest}" for digest in layers]
    return _json([{"Config": f"{_BLOBS}/{config}", "RepoTags": [name], "Layers": blobs}])


def _blob(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": f"{_MEDIA}.{kind}", "digest": f"sha256:{digest}", "size": size}


def _unowned(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out whose file it was, and when."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
