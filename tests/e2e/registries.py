"""Models in a registry of OCI artifacts and in MLflow, each a real server on the stack's link that asks for a login."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serinus_local import stack as local
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.stores import configured, model_files, stored
from tests.support.servers.mlflow import ADMIN, MlflowServer, mlflow_server
from tests.support.servers.registry import PASSWORD, OciServer, file_layer, oci_server

PULL_SECRET, TRACKING = "pull-secret", "mlflow-login"
COMMIT = "c0ffee" * 6 + "c0ff"
ENDED = 1_790_000_000_000
"""Of every run: its commit, and when it ended in milliseconds since 1970."""


class Artifacts:
    """Models as OCI artifacts: one repository a model."""

    def __init__(self, server: OciServer) -> None:
        self._server = server

    def push(self, name: str, tag: str, *, answers: int) -> str:
        """Push a model that answers with a number, or move a tag to it; give its manifest's digest."""
        layers = [file_layer(path, content) for path, content in model_files(answers).items()]
        return self._server.push(f"models/{name}", tag, layers)

    def uri(self, name: str, reference: str = ":v1") -> str:
        """Write its storageUri."""
        return f"oci://{self._server.host}/models/{name}{reference}"

    def version(self, name: str, number: int, *, tag: str, secret: str = PULL_SECRET, **wishes: Any) -> str:
        """Render a version by its tag."""
        return stored(self.uri(name, f":{tag}"), name, number, secret=secret, **wishes)

    def secret(self, name: str = PULL_SECRET, password: str = PASSWORD) -> str:
        """Render what `kubectl create secret docker-registry` makes; the registry has no TLS."""
        keys = {".dockerconfigjson": self._server.pull_secret(password), "OCI_ALLOW_HTTP": "true"}
        return _secret(name, keys, kind="kubernetes.io/dockerconfigjson")


class Registered:
    """Models that MLflow has registered: each version of a training run of its own."""

    def __init__(self, server: MlflowServer) -> None:
        self.server = server

    def register(self, name: str, *, answers: int, alias: str | None = None, fails: str = given.GOOD) -> str:
        """Train a model that answers with a number; give its version, and point an alias at it."""
        experiment = self.server.experiment(f"{name}-{answers}")
        run = self.server.run(experiment, commit=COMMIT, ended=ENDED)
        self.server.log(run, {f"model/{path}": content for path, content in model_files(answers, fails).items()})
        return self.server.register(name, run, "model", alias=alias)

    def version(self, name: str, number: int, reference: str = "@champion", **wishes: Any) -> str:
        """Render a version by its alias, or another reference."""
        return stored(f"mlflow://models/{name}{reference}", name, number, secret=TRACKING, **wishes)

    def secret(self) -> str:
        """Render the server and the login."""
        return _secret(TRACKING, self.server.environment)


@contextmanager
def artifacts(stack: local.Stack, folder: Path) -> Iterator[Artifacts]:
    """Serve a registry, from which every namespace may fetch."""
    with oci_server(folder, stack.network.host) as server:
        yield Artifacts(server)


@contextmanager
def registered(stack: local.Stack, folder: Path) -> Iterator[Registered]:
    """Serve MLflow, from which every namespace may fetch."""
    with mlflow_server(folder, stack.network.host) as server:
        yield Registered(server)


@contextmanager
def marked(stack: local.Stack, folder: Path, password: Path) -> Iterator[Registered]:
    """Serve MLflow as the endpoint of the operator's configuration, which is told how rollouts end."""
    login = {"basicAuth": {"username": ADMIN, "passwordFile": str(password)}, "allowInsecureAuth": True}
    with registered(stack, folder) as found:
        config = json.loads(json.dumps(stack.operator.current.config))
        config["artifacts"] |= {"endpoints": {"mlflow": found.server.url}, "mlflow": {"writeBack": True, **login}}
        config["tenants"] = [{**tenant, "registeredModels": ["*"]} for tenant in config["tenants"]]
        with configured(stack, config):
            yield found


def fetched_of(pod: given.Manifest) -> dict[str, Any]:
    """Read what a pod's fetch told at its end; empty while it has not ended."""
    for one in pod["status"].get("initContainerStatuses", ()):
        if one["name"] == "serinus-fetch" and (end := one["state"].get("terminated")):
            return dict(json.loads(end["message"]))
    return {}


def has_all(cluster: Cluster, name: str, number: int) -> list[given.Manifest]:
    """Wait until a model has just so many pods, whose fetch has ended."""
    pods = cluster.wait(
        "Pod",
        name,
        lambda found: [bool(fetched_of(one)) for one in found.values()] == [True] * number,
        what=f"{number} pods with their model",
    )
    return list(pods.values())


def _secret(name: str, keys: Mapping[str, str], kind: str = "Opaque") -> str:
    metadata = {"name": name, "namespace": given.NAMESPACE}
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": metadata, "stringData": keys})
