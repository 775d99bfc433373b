"""`mlflow://models/NAME/VERSION`, `mlflow://models/NAME@ALIAS` and `mlflow://runs/ID/PATH`, by MLflow's own client.

The server is MLFLOW_TRACKING_URI; MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN are read by the client. Artifacts that
the server does not serve itself are read from their store, as `s3://` and the others are.
https://mlflow.org/docs/latest/ml/model-registry/ and https://mlflow.org/docs/latest/self-hosting/architecture/artifact-store/
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

os.environ |= {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # read when the client is imported
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": os.environ.get("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),  # we try again
    "MLFLOW_HTTP_REQUEST_TIMEOUT": os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", "30"),
}

import requests
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracking import MlflowClient

from serinus_serving.fetch.errors import (
    ArtifactDenied,
    ArtifactError,
    ArtifactHostNotAllowed,
    ArtifactNotFound,
    ArtifactUnreachable,
    ArtifactUriInvalid,
)
from serinus_serving.fetch.source import Access, Arrived, Artifact, RemoteFile, Source, Span
from serinus_serving.fetch.sources.object_store import ObjectStore

_URI = re.compile(
    r"^mlflow://(?:models/(?P<name>[^/@]+)(?:/(?P<version>\d+)|/?@(?P<alias>[\w.-]+))"
    r"|runs/(?P<run>[\w-]+)(?:/(?P<path>.+?))?)/?$"
)
_RUN = re.compile(r"^runs:/+(?P<run>[\w-]+)/?(?P<path>.*)$")
_STORES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_STORAGE_ACCOUNT"}
"""Which variables tell that artifacts may be in a store of the scheme."""
_MISSING = re.compile(r"RESOURCE_DOES_NOT_EXIST|not found|does not exist|error code 404", re.IGNORECASE)
_DENIED = re.compile(r"PERMISSION_DENIED|UNAUTHENTICATED|error code 40[13]|not authenticated|Permission denied")


class MlflowServer:
    """One model version, or one folder of a run."""

    def __init__(self, uri: str, access: Access) -> None:
        match = _URI.match(uri)
        if match is None:
            raise ArtifactUriInvalid(
                f"{access.credentials.hide(uri)} is no model of MLflow: write mlflow://models/NAME/VERSION, "
                f"mlflow://models/NAME@ALIAS or mlflow://runs/ID/PATH"
            )
        server = access.credentials.get("MLFLOW_TRACKING_URI")
        if server is None or not server.startswith(("http://", "https://")):
            raise ArtifactUriInvalid(
                f"{uri} names no server: set MLFLOW_TRACKING_URI to its address in spec.model.credentials"
            )
        self._uri = uri
        self._server = access.credentials.checked(server, "MLFLOW_TRACKING_URI")
        self._access = access
        bundle = access.credentials.get("SSL_CERT_FILE")
        if bundle is not None:
            os.environ.setdefault("REQUESTS_CA_BUNDLE", bundle)  # what the client's library reads
        self._asked_for = {name: unquote(value) for name, value in match.groupdict().items() if value is not None}
        self.hosts = (urlsplit(server).netloc.rpartition("@")[2], *_store_hosts(access))
        self._store: Source | None = None
        self._artifacts: Any = None

    @property
    def ranges(self) -> bool:
        """Tell whether the artifacts' store answers ranges; MLflow's server does not."""
        return self._store.ranges if self._store is not None else False

    def resolve(self) -> Artifact:
        """Find the model version or the run, and list its artifacts; see Source."""
        with self._translated():
            client = MlflowClient(self._server, self._server)
            if "run" in self._asked_for:
                run: Any = client.get_run(self._asked_for["run"])
                resolved = self._uri.rstrip("/")
                location = self._location_in(run, self._asked_for.get("path", ""), client)
                lineage: dict[str, str] = {}
            else:
                version = self._version(client)
                run = _run_of(version, client)
                resolved = f"mlflow://models/{quote(str(version.name), safe='')}/{version.version}"
                told = str(client.get_model_version_download_uri(version.name, version.version))
                location = self._settled(told, client)
                lineage = {"modelVersion": str(version.version)}
                lineage |= {"mlflowRunId": str(version.run_id)} if version.run_id else {}
            lineage |= _lineage(run)
            stored = self._in_store(location) if _is_store(location) else None
            files = stored.files if stored else tuple(self._listed(location))
        if not files:
            raise ArtifactNotFound(f"{self._uri} holds no artifact: check the path, and that the model was logged")
        return Artifact(resolved, files, lineage=lineage)

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Bring one artifact, through MLflow's server or from its store; see Source."""
        if self._store is not None:
            self._store.download(file, part, target, arrived)
            return
        folder = tempfile.mkdtemp(dir=self._access.scratch)
        with self._translated():
            self._artifacts.download_artifacts(file.path, folder)
        (Path(folder) / file.path).rename(target)
        arrived(target.stat().st_size)

    def _version(self, client: MlflowClient) -> Any:
        name = self._asked_for["name"]
        if "alias" in self._asked_for:
            return client.get_model_version_by_alias(name, self._asked_for["alias"])
        return client.get_model_version(name, self._asked_for["version"])

    def _settled(self, location: str, client: MlflowClient) -> str:
        """Follow `runs:/ID/PATH`, by which a version may be registered: the server keeps it as it was written."""
        match = _RUN.match(location)
        return self._location_in(client.get_run(match["run"]), match["path"], client) if match else location

    def _location_in(self, run: Any, path: str, client: MlflowClient) -> str:
        """Tell where a path of a run is: MLflow 3 keeps models that were logged beside the run, by their name."""
        name, _, rest = path.partition("/")
        for output in getattr(run.outputs, "model_outputs", None) or ():
            model = client.get_logged_model(output.model_id)
            if model.name == name:
                return f"{model.artifact_location}/{rest}".rstrip("/")
        return f"{run.info.artifact_uri}/{path}".rstrip("/")

    def _in_store(self, location: str) -> Artifact:
        """List artifacts that the server leaves to their store."""
        self._store = ObjectStore(location, self._access)
        return self._store.resolve()

    def _listed(self, location: str) -> Iterator[RemoteFile]:
        """List artifacts that the server serves, folder by folder, or the one file at the location."""
        if not urlsplit(location).scheme.startswith(("mlflow-artifacts", "http")):
            raise ArtifactUnreachable(
                f"{self._uri}: the server keeps its artifacts at {self._access.credentials.hide(location)}, which only "
                f"its own machine reads: start it with --serve-artifacts, or give it an object store"
            )
        if urlsplit(location).netloc not in ("", self.hosts[0]):
            raise ArtifactHostNotAllowed(
                f"{self._uri}: its artifacts are at {urlsplit(location).netloc}, to which the login of {self.hosts[0]} "
                f"is not sent: log the model with artifacts that the server serves, or on an object store"
            )
        self._artifacts = self._served(location)
        found = list(_walk(self._artifacts))
        if not found:
            folder, _, name = location.rpartition("/")
            self._artifacts = self._served(folder)
            found = [each for each in self._artifacts.list_artifacts(None) if each.path == name and not each.is_dir]
        for each in found:
            yield RemoteFile(each.path, None if each.file_size is None else int(each.file_size))

    def _served(self, location: str) -> Any:
        return get_artifact_repository(location, tracking_uri=self._server, registry_uri=self._server)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of MLflow's client."""
        try:
            yield
        except (ArtifactError, UnicodeEncodeError):
            raise
        except (MlflowException, requests.RequestException) as error:
            said = self._access.credentials.hide(" ".join(str(error).split()))[:300]
            if (names := self._access.credentials.unusable()) and "codec can't encode" in said:
                raise ArtifactDenied(
                    f"{self._uri} may not be read with what {', '.join(names)} holds, letters that no key has: copy it "
                    f"anew"
                ) from error
            if _DENIED.search(_words(error)):
                raise ArtifactDenied(
                    f"{self._uri} may not be read: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
                    f"MLFLOW_TRACKING_TOKEN, in spec.model.credentials ({said})"
                ) from error
            if _MISSING.search(_words(error)):
                raise ArtifactNotFound(
                    f"{self._uri} does not exist: check the name, and the version or alias ({said})"
                ) from error
            raise ArtifactUnreachable(
                f"{self._uri}: no answer from {self.hosts[0]} ({said}); check MLFLOW_TRACKING_URI and the network"
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # what its client reads out of a login page
            raise ArtifactUnreachable(
                f"{self._uri}: {self.hosts[0]} answered, and not as MLflow does: check MLFLOW_TRACKING_URI, and "
                f"whether a login page answers there"
            ) from error


def _walk(repository: Any) -> Iterator[Any]:
    """List the files of an artifact repository of MLflow, which lists one folder at a time."""
    folders: list[str | None] = [None]
    while folders:
        for entry in repository.list_artifacts(folders.pop()):
            if entry.is_dir:
                folders.append(entry.path)
            else:
                yield entry


def _words(error: Exception) -> str:
    """Give what tells the kind of an error: its code, its status, its text."""
    status = getattr(getattr(error, "response", None), "status_code", "")
    return f"{getattr(error, 'error_code', '')} error code {status} {error}"


def _run_of(version: Any, client: MlflowClient) -> Any:
    """Read the run that a version comes from; None without one, and where it is gone or not for this login.

    Whoever may read a registered model need not see its runs; then only part of the lineage is unknown.
    """
    if not version.run_id:
        return None
    try:
        return client.get_run(version.run_id)
    except MlflowException as error:
        if not (_DENIED.search(_words(error)) or _MISSING.search(_words(error))):
            raise
        return None


def _lineage(run: Any) -> dict[str, str]:
    """Read from a run where the model comes from, in the words of spec.model.lineage."""
    if run is None:
        return {}
    datasets = getattr(run.inputs, "dataset_inputs", None) or ()
    found = {
        "mlflowRunId": run.info.run_id,
        "gitCommit": run.data.tags.get("mlflow.source.git.commit"),
        "dataVersion": ",".join(each.dataset.digest for each in datasets),
        "trainedAt": _moment(run.info.end_time),
    }
    return {name: str(value) for name, value in found.items() if value}


def _moment(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _is_store(location: str) -> bool:
    return urlsplit(location).scheme in _STORES


def _store_hosts(access: Access) -> Iterator[str]:
    """Name the hosts of the stores for which there are credentials: where artifacts are is known only later."""
    for scheme, prefix in _STORES.items():
        if access.credentials.starting_with(prefix):
            yield from ObjectStore(f"{scheme}://artifacts", access).hosts
