"""Workload identity: the pod's own token opens the store, and what turns it into a key is no artifact's host.

The clouds are stand-ins (tests/support/servers/cloud.py), at the clouds' own addresses; the variables are those that
the clouds' webhooks set.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.contract.fetch.conftest import Fetches
from tests.support.servers import cloud
from tests.support.stack import require_node

pytestmark = pytest.mark.node

FILE = "{token}"
IRSA = {
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/fraud-reader",
    "AWS_WEB_IDENTITY_TOKEN_FILE": FILE,
    "AWS_REGION": cloud.REGION,
    "AWS_DEFAULT_REGION": cloud.REGION,
    "AWS_STS_REGIONAL_ENDPOINTS": "regional",
}
EKS_POD_IDENTITY = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{cloud.POD_IDENTITY}/v1/credentials",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": FILE,
    "AWS_REGION": cloud.REGION,
}
AZURE = {
    "AZURE_AUTHORITY_HOST": f"https://{cloud.LOGIN}/",
    "AZURE_CLIENT_ID": "a-client",
    "AZURE_TENANT_ID": "a-tenant",
    "AZURE_FEDERATED_TOKEN_FILE": FILE,
}
S3_URI = f"s3://{cloud.BUCKET}/{cloud.PREFIX}"
GS_URI = f"gs://{cloud.BUCKET}/{cloud.PREFIX}"
AZURE_URI = f"https://{cloud.BLOB}/{cloud.BUCKET}/{cloud.PREFIX}"


@pytest.fixture
def folder(tmp_path: Path, fetches: Fetches) -> Path:
    """Run the fetch where the clouds are, and give the folder in which they say what they were asked."""
    require_node()
    (tmp_path / "cloud").mkdir()
    (tmp_path / "token").write_text(cloud.PROOF)
    fetches.within = lambda argv: cloud.in_a_network_of_its_own(tmp_path / "cloud", *argv)
    return tmp_path / "cloud"


def injected(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Set what a webhook sets, and trust the stand-ins."""
    token = str(folder.parent / "token")
    told = {name: value.format(token=token) for name, value in variables.items()}
    return {**told, "SSL_CERT_FILE": cloud.authority(folder)}


@pytest.mark.parametrize(
    ("uri", "variables", "hosts"),
    [
        pytest.param(S3_URI, IRSA, (cloud.S3, cloud.STS), id="EKS, a role of the service account"),
        pytest.param(S3_URI, EKS_POD_IDENTITY, (cloud.S3, cloud.POD_IDENTITY), id="EKS Pod Identity"),
        pytest.param(GS_URI, {}, (cloud.GOOGLE, cloud.GOOGLE_METADATA), id="GKE"),
        pytest.param(AZURE_URI, AZURE, (cloud.BLOB, cloud.LOGIN), id="Azure"),
    ],
)
def test_the_pods_own_token_opens_the_store(
    fetches: Fetches, folder: Path, uri: str, variables: Mapping[str, str], hosts: tuple[str, str]
) -> None:
    """Nobody has granted more than the first of these hosts, the store's own; the second is what it is proven to."""
    ended = fetches.run(uri, f"--allow-host={hosts[0]}", env=injected(variables, folder))
    assert (ended.code, fetches.files()) == (0, cloud.MODEL), ended.said
    assert set(cloud.asked(folder)) - {cloud.METADATA} == set(hosts)
    assert cloud.PROOF not in ended.said


def test_without_a_token_no_token_service_is_asked(fetches: Fetches, folder: Path) -> None:
    """Keys of the team's are refused by the store, and the team's Secret opens no other host."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "secret-key", "AWS_REGION": cloud.REGION}
    ended = fetches.run(S3_URI, f"--allow-host={cloud.S3}", env=injected(keys, folder))
    assert (ended.reason, set(cloud.asked(folder))) == ("ArtifactDenied", {cloud.S3})


def test_a_token_service_is_no_artifacts_host(fetches: Fetches, folder: Path) -> None:
    """Also of a pod that proves its identity there."""
    ended = fetches.run(f"https://{cloud.STS}/model.onnx", f"--allow-host={cloud.S3}", env=injected(IRSA, folder))
    assert (ended.reason, cloud.asked(folder)) == ("ArtifactHostNotAllowed", [])
