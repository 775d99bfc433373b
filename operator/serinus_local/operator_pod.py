"""The operator as users run it: a pod of its own image, installed by helm, under restricted Pod Security."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serinus_local import chart
from serinus_local.control_plane import ControlPlane
from serinus_local.image import Image

KIND: Final = "pod"


class OperatorPod:
    """The chart's Deployment on one stack; what changes is a `helm upgrade`, as in production."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane

    def start(self, image: Image, config: Mapping[str, object]) -> None:
        """Install or upgrade the release and return when the operator leads and has read the cluster."""
        self._install({"image": _image(image), "config": config})

    def configure(self, config: Mapping[str, object]) -> None:
        """Run with another configuration: a new pod with it takes over from the old one."""
        self._install({**self._values(), "config": config})

    @property
    def config(self) -> dict[str, object]:
        """Return what it is configured by."""
        config: dict[str, object] = self._values()["config"]
        return config

    def stop(self) -> None:
        """End the operator alone: the release stays, and with it the rights."""
        self._plane.kubectl(
            "delete", "deployment", chart.RELEASE, f"--namespace={chart.NAMESPACE}", "--cascade=foreground",
            "--ignore-not-found", "--timeout=60s",
        )  # fmt: skip

    def log_files(self) -> list[Path]:
        """Return the files with what its containers printed, oldest first; they go with their pod."""
        found = (self._plane.state / "pods").glob(f"{chart.NAMESPACE}_{chart.RELEASE}-*/operator/*.log")
        return sorted(found, key=lambda path: path.stat().st_mtime)

    def _install(self, values: dict[str, object]) -> None:
        file = self._file()
        file.write_text(json.dumps(values, indent=1))
        chart.install(self._plane, file)

    def _values(self) -> dict[str, dict[str, object]]:
        """Ask helm: somebody may have upgraded the release by hand."""
        answer = chart.helm(self._plane, "get", "values", chart.RELEASE, "--output=json")
        values: dict[str, dict[str, object]] = json.loads(answer)
        return values

    def _file(self) -> Path:
        return self._plane.state / "values.json"


def _image(image: Image) -> dict[str, str]:
    repository, _, tag = image.name.rpartition(":")
    # No registry has it: the node was given it.
    return {"repository": repository, "tag": tag, "pullPolicy": "Never"}
