"""What is told to MLflow's registry, against its real server with users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.mlflow import MlflowRegistry
from serinus.core.model.errors import NotRegistered, RegistryError
from serinus.core.model.kinds import ROLLOUT
from serinus.core.model.registry import Mark, Marking, RegisteredVersion
from serinus.core.model.source import BasicAuth, Source
from serinus.core.rollout.marks import DueMark, told_of
from tests.support.scripted_server import answers, scripted_server
from tests.support.servers.http import HttpServer, http_server
from tests.support.servers.mlflow import ADMIN, ADMIN_PASSWORD, MlflowServer, mlflow_server

pytestmark = pytest.mark.timeout(400)  # the server's first start writes its database table by table

ROLLOUT_MANIFEST = Path(__file__).parents[1] / "cluster/admission/rollout.yaml"


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture
async def registry(mlflow: MlflowServer, tmp_path: Path) -> AsyncIterator[MlflowRegistry]:
    async with MlflowRegistry(source(mlflow.url, tmp_path)) as asking:
        yield asking


def source(url: str, folder: Path, user: str = ADMIN, password: str = ADMIN_PASSWORD) -> Source:
    """The server, and a login in a file."""
    file = folder / f"password-of-{user}"
    file.write_text(f"{password}\n")
    return Source("mlflow", url, basic_auth=BasicAuth(user, file))


def registered(mlflow: MlflowServer, name: str, versions: int = 2) -> list[RegisteredVersion]:
    """Register versions of a model."""
    run = mlflow.run(mlflow.experiment(name), commit="c0ffee", ended=1_790_000_000_000)
    return [RegisteredVersion(name, mlflow.register(name, run, "model")) for _ in range(versions)]


def marking(version: RegisteredVersion, mark: Mark, rollout: str = "ml/fraud-0a1b2c3d4e-1") -> Marking:
    return Marking(version, mark, rollout, "Succeeded: error-rate is 0.1%, within max 5%")


async def test_a_version_that_serves_has_the_alias_and_says_who_decided(
    mlflow: MlflowServer, registry: MlflowRegistry
) -> None:
    """The alias moves with the next one; a mark that is told twice is as told once."""
    first, second = registered(mlflow, "promoted")
    for version in (first, second, second):
        await registry.tell(marking(version, Mark.SERVING))
    await registry.tell(marking(first, Mark.SERVED))
    assert mlflow.aliases("promoted") == {"serving": "2"}
    assert mlflow.tags("promoted", "2") == {
        "serinus.dev/verdict": "serving",
        "serinus.dev/rollout": "ml/fraud-0a1b2c3d4e-1",
        "serinus.dev/reason": "Succeeded: error-rate is 0.1%, within max 5%",
    }
    assert mlflow.tags("promoted", "1")["serinus.dev/verdict"] == "served"


async def test_other_aliases_and_tags_stay_as_they_are(mlflow: MlflowServer, registry: MlflowRegistry) -> None:
    """They are people's."""
    first, second = registered(mlflow, "others")
    mlflow.point("others", "champion", "1")
    await registry.tell(marking(second, Mark.REJECTED))
    assert mlflow.aliases("others") == {"champion": "1", "rejected": "2"}
    assert mlflow.tags("others", first.version) == {}


async def test_a_rejected_version_that_serves_later_is_rejected_no_more(
    mlflow: MlflowServer, registry: MlflowRegistry
) -> None:
    """The alias of another version is left where it is."""
    first, second = registered(mlflow, "mended")
    await registry.tell(marking(second, Mark.REJECTED))
    await registry.tell(marking(first, Mark.SERVING))
    assert mlflow.aliases("mended") == {"rejected": "2", "serving": "1"}
    await registry.tell(marking(second, Mark.SERVING))
    assert mlflow.aliases("mended") == {"serving": "2"}


@pytest.mark.parametrize(
    "version", [RegisteredVersion("nobodys", "1"), RegisteredVersion("gone", "99")], ids=["model", "version"]
)
async def test_what_is_not_there_is_told_apart(
    mlflow: MlflowServer, registry: MlflowRegistry, version: RegisteredVersion
) -> None:
    """Asking again would not help."""
    if version.model == "gone":
        registered(mlflow, "gone")
    with pytest.raises(NotRegistered, match=r"HTTP 404 to model-versions/set-tag: .*not found"):
        await registry.tell(marking(version, Mark.SERVING))


@pytest.mark.parametrize(
    ("user", "password"),
    [pytest.param("reader", "only-for-tests-2", id="may read"), pytest.param(ADMIN, "wrong-password-1", id="wrong")],
)
async def test_a_login_that_may_not_is_an_error_in_one_line(
    mlflow: MlflowServer, tmp_path: Path, user: str, password: str
) -> None:
    """It is tried again, since somebody may mend that; the password is not shown."""
    (version,) = registered(mlflow, f"guarded-by-{user}", 1)
    if user != ADMIN:
        mlflow.user(user, password, model=version.model, permission="READ")
    async with MlflowRegistry(source(mlflow.url, tmp_path, user, password)) as asking:
        with pytest.raises(RegistryError, match=r"HTTP 40[13] to model-versions/set-tag") as caught:
            await asking.tell(marking(version, Mark.SERVING))
    assert not isinstance(caught.value, NotRegistered)
    assert "\n" not in str(caught.value)
    assert password not in str(caught.value)
    assert mlflow.tags(version.model, "1") == {}


async def test_a_login_that_may_manage_the_model_is_enough(mlflow: MlflowServer, tmp_path: Path) -> None:
    """It sees neither runs nor other models."""
    (version,) = registered(mlflow, "managed", 1)
    mlflow.user("manager", "only-for-tests-3", model="managed", permission="MANAGE")
    async with MlflowRegistry(source(mlflow.url, tmp_path, "manager", "only-for-tests-3")) as asking:
        await asking.tell(marking(version, Mark.REJECTED))
        await asking.tell(marking(version, Mark.SERVING))
    assert mlflow.aliases("managed") == {"serving": "1"}


async def test_a_server_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    """In the words of the connection, with the address."""
    async with MlflowRegistry(source("http://127.0.0.1:1", tmp_path)) as asking:
        with pytest.raises(RegistryError, match=r"http://127\.0\.0\.1:1: "):
            await asking.tell(marking(RegisteredVersion("fraud", "1"), Mark.SERVING))


async def test_a_login_whose_file_is_missing_is_an_error(mlflow: MlflowServer, tmp_path: Path) -> None:
    """The file is named."""
    missing = Source("mlflow", mlflow.url, basic_auth=BasicAuth(ADMIN, tmp_path / "nothing"))
    async with MlflowRegistry(missing) as asking:
        with pytest.raises(RegistryError, match=r"nothing cannot be read"):
            await asking.tell(marking(RegisteredVersion("fraud", "1"), Mark.SERVING))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[HttpServer]:
    """Serve a folder: something, but no MLflow."""
    (tmp_path / "web").mkdir()
    with http_server(tmp_path / "web") as server:
        yield server


async def test_another_server_than_mlflow_is_said_to_be_one(web: HttpServer, tmp_path: Path) -> None:
    """A proxy's page is no answer, and its 404 no word about the version."""
    async with MlflowRegistry(source(web.url, tmp_path)) as asking:
        with pytest.raises(RegistryError, match="not MLflow's JSON") as caught:
            await asking.tell(marking(RegisteredVersion("fraud", "1"), Mark.SERVING))
    assert not isinstance(caught.value, NotRegistered)


@pytest.mark.parametrize(
    "model", [None, [], "fraud", {"aliases": {"rejected": "1"}}], ids=["null", "list", "text", "aliases by name"]
)
async def test_a_model_that_is_told_otherwise_than_mlflow_does_is_an_error(model: object, tmp_path: Path) -> None:
    """A server that only resembles MLflow; what it calls rejected cannot be known."""
    async with scripted_server() as server:
        server.will(*[answers({})] * 4, answers({"registered_model": model}))
        async with MlflowRegistry(source(server.url, tmp_path)) as asking:
            with pytest.raises(RegistryError, match="registered-models/get lists no aliases as MLflow's does"):
                await asking.tell(marking(RegisteredVersion("fraud", "1"), Mark.SERVING))


@pytest.mark.apiserver
async def test_what_was_told_is_recorded_beside_the_plan_and_the_record(
    cluster: KubernetesCluster, namespace: str
) -> None:
    """An apply of the annotation alone takes nothing away from a Rollout, with its status written before and after."""
    manifest = yaml.safe_load(ROLLOUT_MANIFEST.read_text())
    manifest["metadata"]["namespace"] = namespace
    made = await cluster.create(manifest)
    name, uid = made["metadata"]["name"], made["metadata"]["uid"]
    status = {key: manifest[key] for key in ("apiVersion", "kind")} | {"metadata": {**manifest["metadata"], "uid": uid}}
    written = await cluster.apply_status({**status, "status": {"phase": "Reverted"}})
    due = DueMark(name, uid, marking(RegisteredVersion("fraud", "7"), Mark.REJECTED, f"{namespace}/{name}"))
    marked = await cluster.apply(due.recorded(namespace), force=True)
    assert told_of(marked) == "rejected"
    assert (marked["spec"], marked["status"]) == (made["spec"], written["status"])
    await cluster.apply_status({**status, "status": {"phase": "Aborted"}})
    left = await cluster.get(ROLLOUT, namespace, name)
    assert left is not None
    assert (told_of(left), left["spec"], left["status"]["phase"]) == ("rejected", made["spec"], "Aborted")
