"""What the real API's refusals become: one sentence each, whichever request it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import NewConnectionError

from serinus.cli.cluster import Target
from serinus.cli.connection import KubeconfigCluster, connect
from serinus.cli.errors import NotAllowed, Refused


class _Api:
    """Fails each request in the same way."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> None:
            raise self._error

        return fail


def _cluster(error: Exception) -> KubeconfigCluster:
    return KubeconfigCluster(_Api(error), "ml", "https://cluster.example.com")


def _answer(status: int, message: str) -> ApiException:
    error = ApiException(status=status, reason="Reason")
    error.body = json.dumps({"kind": "Status", "message": message})
    return error


def test_a_model_deployment_that_is_not_there_is_none() -> None:
    """Whether that is a mistake is for others to say."""
    assert _cluster(_answer(404, "not found")).model_deployment("fraud") is None


def test_a_cluster_without_our_kinds_says_what_to_install() -> None:
    """Not even a list of nothing."""
    with pytest.raises(Refused, match="has no ModelDeployments: install the Serinus CRDs first"):
        _cluster(_answer(404, "not found")).names(None)


def test_a_rollout_that_vanished_is_said() -> None:
    """Between the look and the lever somebody deleted it."""
    with pytest.raises(Refused, match="Rollout fraud-1 is gone: run status again"):
        _cluster(_answer(404, "not found")).patch_rollout("fraud-1", {})


def test_a_model_deployment_that_vanished_is_said() -> None:
    """Between the look and the change somebody deleted it."""
    with pytest.raises(Refused, match="ModelDeployment fraud is gone: run status again"):
        _cluster(_answer(404, "not found")).patch_model_deployment("fraud", [])


def test_a_spec_that_changed_meanwhile_is_said() -> None:
    """A failed `test` of a JSON patch has no words of its own."""
    refusal = _answer(422, "the server rejected our request due to an error in our request")
    with pytest.raises(Refused, match="has changed since it was read: run undo again"):
        _cluster(refusal).patch_model_deployment("fraud", [])


def test_the_spec_takes_the_role_that_edits_it() -> None:
    """A lever's role does not include it."""
    with pytest.raises(NotAllowed, match="bind ClusterRole serinus-edit to you there"):
        _cluster(_answer(403, "modeldeployments is forbidden")).patch_model_deployment("fraud", [])


@pytest.mark.parametrize(("status", "role"), [("get", "serinus-view"), ("patch", "serinus-sre")])
def test_a_missing_right_names_the_role_that_has_it(status: str, role: str) -> None:
    """Looking needs another role than pulling a lever."""
    cluster = _cluster(_answer(403, "rollouts is forbidden"))
    with pytest.raises(NotAllowed, match=f"bind ClusterRole {role} to you there"):
        cluster.model_deployment("fraud") if status == "get" else cluster.patch_rollout("fraud-1", {})


def test_who_is_not_known_is_told_to_log_in() -> None:
    """An expired token is not a missing role."""
    with pytest.raises(Refused, match="rejected your credentials: log in again"):
        _cluster(_answer(401, "Unauthorized")).rollouts("fraud")


def test_a_refused_patch_carries_the_servers_words() -> None:
    """A CEL rule names the field and the fix."""
    with pytest.raises(Refused, match=r"refuses to patch rollouts in namespace ml: spec.promote: set one of"):
        _cluster(_answer(422, "spec.promote: set one of throughStep and full")).patch_rollout("fraud-1", {})


@pytest.mark.parametrize(
    "error",
    [
        NewConnectionError(None, "<HTTPSConnection object at 0x7f>: Failed to establish a connection"),  # type: ignore[arg-type]
        TimeoutError("timed out"),
        ApiException(status=0, reason="SSLError: certificate verify failed"),
    ],
    ids=["refused", "timeout", "certificate"],
)
def test_a_cluster_that_cannot_be_reached_is_named(error: Exception) -> None:
    """With the reason, and without an object's address in memory."""
    with pytest.raises(Refused, match=r"cannot reach the cluster at https://cluster.example.com: ") as refused:
        _cluster(error).model_deployment("fraud")
    assert "0x" not in str(refused.value)


@pytest.mark.parametrize("text", ["a: [", "just words"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    """With its name, and no traceback."""
    file = tmp_path / "config"
    file.write_text(text)
    with pytest.raises(Refused, match="config is not a kubeconfig: check its YAML"):
        connect(Target(kubeconfig=str(file)))


def test_a_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    """The advice is not to name one: that was done."""
    with pytest.raises(Refused, match=r"none does not exist\): check --kubeconfig"):
        connect(Target(kubeconfig=str(tmp_path / "none")))
