"""The two ways to run the operator on a stack: a pod that helm installs, as users do, or a process to debug."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from serinus_local import chart, gateway, operator_image, operator_pod, operator_process
from serinus_local.control_plane import ControlPlane
from serinus_local.node import Node
from serinus_local.operator_pod import OperatorPod
from serinus_local.operator_process import OperatorProcess

Way = Literal["pod", "process"]
WAYS: tuple[Way, ...] = get_args(Way)


class Operators:
    """The operator of one stack: `current` is the one that runs, if any does."""

    def __init__(self, plane: ControlPlane, node: Node, prometheus_url: str) -> None:
        self._plane = plane
        self._node = node
        self._prometheus_url = prometheus_url
        self.pod = OperatorPod(plane)
        self.process = OperatorProcess(plane)

    @property
    def current(self) -> OperatorPod | OperatorProcess:
        """The operator that was started last."""
        return self.process if self.way == operator_process.KIND else self.pod

    @property
    def way(self) -> Way | None:
        """How the operator runs; None before the first start."""
        said = self._file().read_text() if self._file().exists() else ""
        return next((way for way in WAYS if way == said), None)

    def prepare(self, way: Way | None = None) -> None:
        """Give the node what `run` will need, as soon as containerd runs: it takes as long as all else on the node."""
        if self._wanted(way) == operator_pod.KIND:
            self._node.load(operator_image.made())

    def run(self, way: Way | None = None, config: Mapping[str, object] | None = None) -> None:
        """Run the operator of this checkout's code in one way and end the other; as it runs already, or as a pod.

        `config` is its configuration; when left out it keeps the one that it has.
        """
        config = config or (self.current.config if self.way else self._config())
        wanted = self._wanted(way)
        if self.way not in (None, wanted):
            self.current.stop()
        self._file().write_text(wanted)
        if wanted == operator_process.KIND:
            self._start_process(config)
        else:
            image = operator_image.made()
            self._node.load(image)
            self.pod.start(image, config)

    def let_fetch(self) -> None:
        """Let every namespace have models fetched from servers that listen on the stack's link."""
        image = operator_image.made(operator_image.SERVING)
        self._node.load(image)
        config: dict[str, Any] = json.loads(json.dumps(self.current.config))
        config["artifacts"] = {**config.get("artifacts", {}), "image": image.name}
        for tenant in config["tenants"]:
            tenant["artifactHosts"] = sorted({*tenant.get("artifactHosts", ()), self._plane.address})
        self.current.configure(config)

    def _wanted(self, way: Way | None) -> Way:
        return way or self.way or operator_pod.KIND

    def _start_process(self, config: Mapping[str, object]) -> None:
        if not chart.is_installed(self._plane):
            chart.apply(self._plane)
        self.process.start(config)

    def _config(self) -> dict[str, object]:
        """Let every namespace use what the stack has."""
        tenant = {
            "namespace": "*",
            "hosts": ["*.example.com"],
            "gateways": [f"{gateway.NAMESPACE}/public"],
            "sources": ["default"],
        }
        return {"prometheus": [{"name": "default", "url": self._prometheus_url}], "tenants": [tenant]}

    def _file(self) -> Path:
        return self._plane.state / "operator"
