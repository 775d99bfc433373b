"""MLflow's own server, with users, a database of SQLite, and artifacts that it serves itself or leaves to a store.

Two things would take it most of its time here, and are spared: to make its tables by one migration after the other, and
to hash a password anew for each request so that nobody guesses it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sqlite3
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serinus_local import artifacts, cache
from serinus_local.ports import LOOPBACK
from tests.support.servers.running import address, answers, running

ADMIN, ADMIN_PASSWORD = "admin", "only-for-tests-1"
_RUNS, _USERS = "mlflow.db", "users.db"


@dataclass(frozen=True)
class Run:
    """A training run that ended, and where its artifacts are."""

    id: str
    artifacts: str


@dataclass(frozen=True)
class MlflowServer:
    """A running server, spoken to by https://mlflow.org/docs/latest/rest-api/."""

    url: str
    state: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """Give the variables that MLflow's clients read."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": ADMIN,
            "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD,
        }

    def experiment(self, name: str, artifacts_at: str | None = None) -> str:
        """Make an experiment, whose artifacts go to a place of its own or to the server; return its id."""
        place = {"artifact_location": artifacts_at} if artifacts_at else {}
        return str(self._ask("experiments/create", {"name": name} | place)["experiment_id"])

    def run(self, experiment: str, *, commit: str, ended: int) -> Run:
        """Record a run of a git commit, ended at a time in milliseconds since 1970."""
        tags = [{"key": "mlflow.source.git.commit", "value": commit}]
        wanted = {"experiment_id": experiment, "start_time": ended - 1000, "tags": tags}
        info = self._ask("runs/create", wanted)["run"]["info"]
        self._ask("runs/update", {"run_id": info["run_id"], "status": "FINISHED", "end_time": ended})
        return Run(info["run_id"], info["artifact_uri"])

    def log(self, run: Run, files: Mapping[str, bytes]) -> None:
        """Store artifacts of a run, through the server."""
        below = run.artifacts.removeprefix("mlflow-artifacts:/")
        for path, content in files.items():
            self._send("PUT", f"/api/2.0/mlflow-artifacts/artifacts/{below}/{path}", content)

    def log_model(self, run: Run, experiment: str, name: str, files: Mapping[str, bytes]) -> str:
        """Log a model beside a run, as `mlflow.onnx.log_model` of MLflow 3 does; return its id."""
        wanted = {"experiment_id": experiment, "name": name, "source_run_id": run.id}
        info = self._ask("logged-models", wanted)["model"]["info"]
        model = str(info["model_id"])
        self.log(Run(run.id, info["artifact_uri"]), files)
        done = json.dumps({"model_id": model, "status": "LOGGED_MODEL_READY"}).encode()
        self._send("PATCH", f"/api/2.0/mlflow/logged-models/{model}", done)
        self._ask("runs/outputs", {"run_id": run.id, "models": [{"model_id": model, "step": 0}]})
        return model

    def register(self, name: str, run: Run, path: str, alias: str | None = None) -> str:
        """Make what lies at a path of a run the next version; return its number.

        `path` may be a logged model (`models:/ID`), or say the run again (`runs:/ID/PATH`), as people do.
        """
        if not self._known(name):
            self._ask("registered-models/create", {"name": name})
        logged = path.partition("models:/")[2]
        source = (
            {"source": path, "model_id": logged}
            if logged
            else {"source": path if ":/" in path else f"{run.artifacts}/{path}"}
        )
        wanted = {"name": name, "run_id": run.id} | source
        version = str(self._ask("model-versions/create", wanted)["model_version"]["version"])
        if alias is not None:
            self.point(name, alias, version)
        return version

    def point(self, name: str, alias: str, version: str) -> None:
        """Move an alias."""
        self._ask("registered-models/alias", {"name": name, "alias": alias, "version": version})

    def aliases(self, name: str) -> dict[str, str]:
        """Read which versions the aliases of a model point at."""
        found = json.loads(self._send("GET", f"/api/2.0/mlflow/registered-models/get?name={name}"))
        return {one["alias"]: one["version"] for one in found["registered_model"].get("aliases", ())}

    def tags(self, name: str, version: str) -> dict[str, str]:
        """Read the tags of a version."""
        found = json.loads(self._send("GET", f"/api/2.0/mlflow/model-versions/get?name={name}&version={version}"))
        return {one["key"]: one["value"] for one in found["model_version"].get("tags", ())}

    def user(self, name: str, password: str, *, model: str, permission: str) -> None:
        """Make a user who may do one thing with one registered model, such as READ or EDIT, and see no run."""
        self._ask("users/create", {"username": name, "password": password})
        _hash_quickly(self.state / _USERS, name, password)
        wanted = {"username": name, "resource_type": "registered_model", "resource_id": model}
        body = json.dumps({**wanted, "permission": permission}).encode()
        self._send("POST", "/api/3.0/mlflow/users/permissions/grant", body)

    def _known(self, name: str) -> bool:
        found = json.loads(self._send("GET", "/api/2.0/mlflow/registered-models/search?max_results=1000"))
        return name in [model["name"] for model in found.get("registered_models", [])]

    def _ask(self, what: str, body: Mapping[str, object]) -> dict[str, Any]:
        answer = self._send("POST", f"/api/2.0/mlflow/{what}", json.dumps(body).encode())
        return dict(json.loads(answer or b"{}"))

    def _send(self, method: str, path: str, body: bytes | None = None) -> bytes:
        login = base64.b64encode(f"{ADMIN}:{ADMIN_PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


@contextmanager
def mlflow_server(state: Path, host: str = LOOPBACK) -> Iterator[MlflowServer]:
    """Serve a new database and a folder of artifacts below `state`, on an own address of this machine."""
    state.mkdir(parents=True, exist_ok=True)
    where = address(host)
    host, port = where.split(":")
    command, environment = artifacts.mlflow()
    kept = cache.used(cache.folder("databases", Path(environment["PYTHONPATH"]).name))
    argv = (
        *command, "server", f"--host={host}", f"--port={port}", "--workers=1", "--app-name=basic-auth",
        f"--backend-store-uri=sqlite:///{state / _RUNS}",
        "--serve-artifacts", f"--artifacts-destination={state / 'artifacts'}",
    )  # fmt: skip
    environment |= _users(state) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    _take_tables(kept, state)
    with running("mlflow", argv, state, ready=lambda: answers(f"http://{where}/health"), env=environment):
        _keep_tables(state, kept)
        _hash_quickly(state / _USERS, ADMIN, ADMIN_PASSWORD)
        yield MlflowServer(f"http://{where}", state)


def _take_tables(kept: Path, state: Path) -> None:
    """Begin with the empty tables of an earlier server of the same version, where there was one."""
    for name in (_RUNS, _USERS):
        if (kept / name).exists():
            shutil.copyfile(kept / name, state / name)


def _keep_tables(state: Path, kept: Path) -> None:
    """Keep the empty tables for the next server."""
    for name in (_RUNS, _USERS):
        with cache.locked("databases"):
            if (kept / name).exists():
                continue
            unfinished = kept / f".{name}"
            unfinished.unlink(missing_ok=True)
            with closing(sqlite3.connect(state / name)) as made, closing(sqlite3.connect(unfinished)) as copy:
                made.backup(copy)
            unfinished.rename(kept / name)


def _hash_quickly(users: Path, name: str, password: str) -> None:
    """Store a password by a hash of one round, in the form of Werkzeug, which MLflow checks it with."""
    salt = "tests"
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 1).hex()
    with closing(sqlite3.connect(users)) as database, database:
        changed = database.execute(
            "UPDATE users SET password_hash = ? WHERE username = ?", (f"pbkdf2:sha256:1${salt}${digest}", name)
        )
    assert changed.rowcount == 1, f"MLflow has no user {name}"


def _users(state: Path) -> dict[str, str]:
    """Write the configuration of its users; give the variables that go with it."""
    file = state / "users.ini"
    file.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{state / _USERS}\nadmin_username = {ADMIN}\n"
    )
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests",
    }
