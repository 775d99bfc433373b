"""MLServer as a `ServingRuntime`: scikit-learn, XGBoost, LightGBM and MLflow models, and Python classes of one's own.

Read from MLServer 1.7.1 and run: its ports listen before the model is loaded, whose readiness is 400 until then. It
takes each folder with a model-settings.json for a model, which is called as its folder unless that file says a name.
Variables are overruled by a settings.json in the model's folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from serinus.api.runtime import RuntimeType
from serinus.core.model.kinds import Json
from serinus.core.model.revision import GRPC_PORT, HTTP_PORT, METRICS_PORT
from serinus.core.serving import open_inference
from serinus.core.serving.interface import Interface
from serinus.core.serving.runtime import THREE_PORTS, LoadFailure, Start

_PORTS: Final = {"HTTP_PORT": HTTP_PORT, "GRPC_PORT": GRPC_PORT, "METRICS_PORT": METRICS_PORT}
# Both are made where it is started unless they are named, and a root file system is read-only.
_FOLDERS: Final = {"METRICS_DIR": "/tmp/mlserver-metrics", "ENVIRONMENTS_DIR": "/tmp/mlserver-environments"}  # noqa: S108
_VARIABLES: Final = {f"MLSERVER_{name}": str(value) for name, value in (_PORTS | _FOLDERS).items()}
_START: Final = (
    'told= server=; trap \'told=1; [ -z "$server" ] || kill -TERM "$server"\' TERM; mlserver start "$@" & server=$!; '
    '[ -z "$told" ] || kill -TERM "$server"; '
    'while kill -0 "$server" 2>/dev/null; do wait "$server"; done; [ -n "$told" ]'
)
"""A shell's own work: MLServer ends with 0 when a model cannot be loaded (measured), and the kubelet keeps the end of a
log only of a container that has failed. So whatever ends without having been told to has failed. A signal ends `wait`
each time that it is told, so it waits again for as long as the server is there; one that comes before the shell knows
the server is passed on as soon as it does."""
_FAILED: Final = "failed to load during startup"
_ENDS: Final = re.compile(r"^[ ]+\S.*\n(?P<kind>[A-Za-z_][\w.]*)(?:: (?P<said>.*))?$", re.MULTILINE)
"""The end of a traceback: what was raised, below a line that is indented."""
_LOADING: Final = re.compile(
    r", in dispatch_update(_to_worker)?$"
    r'|File "([^"]*/mlserver[^"]*|((?!/lib/python)[^"])*)", line \d+, in _?load(_model)?$',
    re.MULTILINE,
)
"""A frame of a load, of MLServer's or of the model's own class, where the beginning of a log is cut off: of others'
functions many are called `load`, such as json's."""
_RAISED_AGAIN: Final = "mlserver.parallel.errors.WorkerError"


class MLServer:
    """Seldon's MLServer, with one model."""

    type: Final = RuntimeType.MLSERVER
    title: Final = "MLServer"
    program: Final = "mlserver"
    interface: Final[Interface] = open_inference.OPEN_INFERENCE
    ports: Final = THREE_PORTS
    counters: Final = None
    own_flags: Final[frozenset[str]] = frozenset()
    own_variables: Final = frozenset(
        {*_VARIABLES, "MLSERVER_HOST", "MLSERVER_ROOT_PATH", "MLSERVER_METRICS_ENDPOINT", "MLSERVER_MODEL_NAME"}
        | {"MLSERVER_LOAD_MODELS_AT_STARTUP", "MLSERVER_MODEL_REPOSITORY_ROOT"}
    )
    reads_any_case: Final = True
    """Of two that differ in that alone, the one that comes later counts (pydantic-settings; measured)."""
    settings_file: Final = "model-settings.json"
    fetch_arguments: Final = ("--layout=as-is", f"--need={settings_file}")
    how_it_hangs: Final = "MLServer waits for ever beside a model-settings.json that it cannot read"
    live_path: Final = open_inference.LIVE_PATH

    def render_start(self, start: Start) -> Json:
        """Render how it is started, in the model's own folder's place; it answers what is in flight by itself."""
        return {
            "command": ["sh", "-c", _START, self.program],
            "args": [f"{start.repository.rstrip('/')}/{start.model}"],
            "env": [{"name": name, "value": value} for name, value in _VARIABLES.items()],
        }

    def ready_path(self, model: str) -> str:
        """Write the path of the model's readiness."""
        return open_inference.ready_path(model)

    def model_of(self, container: Json) -> str:
        """Read the model's name from the path of its readiness."""
        return open_inference.model_of(container)

    def file_paths(self, keys: Iterable[str], settings: str) -> dict[str, str]:
        """Leave every file in the model's folder, where a relative `uri` of the settings is looked for."""
        return {key: key for key in sorted(keys)}

    def lacks(self, paths: Iterable[str]) -> str:
        """Ask for the file by which it knows a model."""
        return "" if self.settings_file in paths else f"add the key {self.settings_file}"

    def load_failure(self, log: str) -> LoadFailure | None:
        """Read what a load has raised: MLServer's last words before it gives up, or what is left of them."""
        _, failed, after = log.rpartition(_FAILED)
        if not failed and not _LOADING.search(log):
            return None
        found = _ENDS.search(after)
        if found is None:
            return LoadFailure()
        said = (found["said"] or "").strip()
        if found["kind"] == _RAISED_AGAIN:
            return LoadFailure(said.removeprefix("builtins."))
        return LoadFailure(f"{found['kind']}: {said}" if said else found["kind"])
