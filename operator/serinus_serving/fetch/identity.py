"""Where an identity is turned into keys of a cloud: workload identity, without a Secret.

The clouds' webhooks give pods a token of the cluster and name it in these variables; the cloud's token service takes
it. Such a service is no artifact's host: it may be asked although nobody granted it, and only where there is a token
for it. Nobody can name another one: variables also come from a Secret of the team's. What needs no token service (EKS
Pod Identity, GKE, managed identities of Azure) is asked at the metadata address, which `hosts` knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_AWS: Final = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN")
"""https://docs.aws.amazon.com/eks/latest/userguide/pod-configuration.html"""
_AWS_REGION: Final = re.compile(r"^[a-z]{2,4}(-[a-z]+)+-\d{1,2}$")
_AZURE: Final = ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")
_AZURE_PROOFS: Final = ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET")
"""https://azure.github.io/azure-workload-identity/docs/installation/mutating-admission-webhook.html"""
_AZURE_SERVICES: Final = ("login.microsoftonline.com:443", "login.chinacloudapi.cn:443", "login.microsoftonline.us:443")


def token_services(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Name the token services, `host:port`, that these variables have something to prove to."""
    found: list[str] = []
    if all(variables.get(name) for name in _AWS):
        region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION") or "us-east-1"
        found += [f"sts.{region}.amazonaws.com:443"] if _AWS_REGION.match(region) else []
    if all(variables.get(name) for name in _AZURE) and any(variables.get(name) for name in _AZURE_PROOFS):
        found += _AZURE_SERVICES
    return tuple(found)
