"""Which token services a pod's own identity may be proven to, by what the clouds' webhooks have set."""

from __future__ import annotations

import pytest

from serinus_serving.fetch.hosts import parse_host
from serinus_serving.fetch.identity import token_services

ROLE = {"AWS_ROLE_ARN": "arn:aws:iam::1:role/a", "AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}
CLIENT = {"AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"}


@pytest.mark.parametrize(
    ("variables", "services"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param(ROLE, {"sts.us-east-1.amazonaws.com:443"}, id="a role, the region left out"),
        pytest.param(ROLE | {"AWS_REGION": "eu-west-1"}, {"sts.eu-west-1.amazonaws.com:443"}, id="a role"),
        pytest.param(ROLE | {"AWS_DEFAULT_REGION": "us-gov-west-1"}, {"sts.us-gov-west-1.amazonaws.com:443"}, id="gov"),
        pytest.param({"AWS_ROLE_ARN": "arn"}, set(), id="a role without a token"),
        pytest.param(ROLE | {"AWS_REGION": "evil.org/"}, set(), id="a region that is another host"),
        pytest.param(CLIENT, set(), id="a client without a proof"),
    ],
)
def test_a_token_service_is_the_clouds_own(variables: dict[str, str], services: set[str]) -> None:
    """Whatever a Secret of the team's sets, it can name no host of its own choice."""
    found = token_services(variables)
    assert set(found) == services
    assert [parse_host(host).port for host in found] == [443] * len(found)


@pytest.mark.parametrize("proof", ["AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET"])
def test_azure_has_one_service_for_all_proofs(proof: str) -> None:
    """A token of the cluster, or an application's secret."""
    assert "login.microsoftonline.com:443" in token_services(CLIENT | {proof: "x"})
