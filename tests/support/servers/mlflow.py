"""MLflow's own server, with users, a database of SQLite, and artifacts that it serves itself or leaves to S3."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serinus_local import artifacts
from tests.support.servers.running import address, answers, running

ADMIN, ADMIN_PASSWORD = "admin", "only-for-tests-1"


@dataclass(frozen=True)
class MlflowServer:
    """A running server."""

    url: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Give the variables that MLflow's clients read."""
        return {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": ADMIN,
            "MLFLOW_TRACKING_PASSWORD": ADMIN_PASSWORD,
        }


@contextmanager
def mlflow_server(state: Path, *, artifact_root: str | None = None) -> Iterator[MlflowServer]:
    """Serve a new database below `state`.

    Runs' artifacts go to `artifact_root`, which clients then read themselves (s3://…), or through the server.
    """
    state.mkdir(parents=True, exist_ok=True)
    where = address()
    host, port = where.split(":")
    command, environment = artifacts.mlflow()
    places = (
        ("--no-serve-artifacts", f"--default-artifact-root={artifact_root}")
        if artifact_root
        else ("--serve-artifacts", f"--artifacts-destination={state / 'artifacts'}")
    )
    argv = (
        *command, "server", f"--host={host}", f"--port={port}", "--workers=1", "--app-name=basic-auth",
        f"--backend-store-uri=sqlite:///{state / 'mlflow.db'}", *places,
    )  # fmt: skip
    environment |= _users(state) | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with running("mlflow", argv, state, ready=lambda: answers(f"http://{where}/health"), env=environment):
        yield MlflowServer(f"http://{where}")


def _users(state: Path) -> dict[str, str]:
    """Write the configuration of its users; give the variables that go with it."""
    file = state / "users.ini"
    file.write_text(
        "[mlflow]\ndefault_permission = NO_PERMISSIONS\n"
        f"database_uri = sqlite:///{state / 'users.db'}\nadmin_username = {ADMIN}\n"
    )
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(file),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "tests",
    }
