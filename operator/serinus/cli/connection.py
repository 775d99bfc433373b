"""The real cluster, through the `kubernetes` package: it knows every form of a kubeconfig and every way to log in.

It is imported when a command needs it: it costs over a second, which `--help` should not.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serinus.api import GROUP, VERSION
from serinus.cli.cluster import Target
from serinus.cli.errors import NotAllowed, Refused
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import CONTROLLER_REVISION, MODEL_DEPLOYMENT, ROLLOUT, Json

FIELD_MANAGER = "kubectl-serinus"
TIMEOUT_SECONDS = (5, 15)
"""To connect, and to wait for an answer: somebody looks at the screen meanwhile."""
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
PATCH_MISFITS = "the server rejected our request due to an error in our request"
"""All that an API server says of a JSON patch with a failed `test`; what validation refuses, it names."""
ROLES = {"patch rollouts": "serinus-sre", "patch modeldeployments": "serinus-edit"}
"""The role that allows a request; all others need only `serinus-view`."""


def connect(target: Target) -> KubeconfigCluster:
    """Find the cluster: the kubeconfig that was named, else KUBECONFIG, else our pod, else ~/.kube/config."""
    from kubernetes import client
    from kubernetes import config as untyped
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    config: Any = untyped
    settings: Any = client.Configuration()
    try:
        if _in_pod(target):
            config.load_incluster_config(client_configuration=settings)
            namespace = "default"
        else:
            config.load_kube_config(
                target.kubeconfig, context=target.context, client_configuration=settings, persist_config=False
            )
            namespace = _namespace(config, target)
    except (ConfigException, OSError) as error:
        named = target.kubeconfig or target.context
        advice = "check --kubeconfig and --context" if named else "name one with --kubeconfig or --context"
        raise Refused(f"no cluster is configured ({_reason(target, error)}): {advice}") from error
    except (YAMLError, TypeError, UnicodeDecodeError) as error:
        raise Refused(f"{target.kubeconfig or 'the kubeconfig'} is not a kubeconfig: check its YAML") from error
    settings.retries = False
    api: Any = client.CustomObjectsApi(client.ApiClient(settings))
    return KubeconfigCluster(api, target.namespace or namespace, str(settings.host))


def _reason(target: Target, error: Exception) -> str:
    if target.kubeconfig and not Path(target.kubeconfig).exists():
        return f"{target.kubeconfig} does not exist"
    return str(error).removeprefix("Invalid kube-config file. ").rstrip(".")


def _in_pod(target: Target) -> bool:
    named = target.kubeconfig or target.context or os.environ.get("KUBECONFIG")
    return not named and "KUBERNETES_SERVICE_HOST" in os.environ


def _namespace(config: Any, target: Target) -> str:
    contexts, current = config.list_kube_config_contexts(target.kubeconfig)
    chosen = next((context for context in contexts if context["name"] == target.context), current)
    return str(chosen["context"].get("namespace") or "default")


class KubeconfigCluster:
    """One namespace of a real cluster."""

    def __init__(self, api: Any, namespace: str, host: str) -> None:
        self._api = api
        self._namespace = namespace
        self._host = host

    @property
    def namespace(self) -> str:
        return self._namespace

    def names(self, namespace: str | None) -> list[Key]:
        """Name the ModelDeployments of a namespace, or of all of them."""
        found = self.model_deployments(namespace)
        return [Key(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found]

    def model_deployments(self, namespace: str | None) -> list[Json]:
        """List the ModelDeployments of a namespace, or of all of them."""
        place = (GROUP, VERSION, namespace, MODEL_DEPLOYMENT.plural)
        if namespace is None:
            answer = self._ask("list modeldeployments", self._api.list_cluster_custom_object, *place[:2], place[3])
        else:
            answer = self._ask("list modeldeployments", self._api.list_namespaced_custom_object, *place)
        if answer is None:
            raise Refused(f"the cluster at {self._host} has no ModelDeployments: install the Serinus CRDs first")
        return list(answer["items"])

    def model_deployment(self, name: str) -> Json | None:
        """Read a ModelDeployment; None when there is none."""
        place = (GROUP, VERSION, self._namespace, MODEL_DEPLOYMENT.plural, name)
        return self._ask("get modeldeployments", self._api.get_namespaced_custom_object, *place)

    def rollouts(self, name: str) -> list[Json]:
        """List the Rollouts of a ModelDeployment."""
        return self._labelled(name, GROUP, VERSION, self._namespace, ROLLOUT.plural)

    def controller_revisions(self, name: str) -> list[Json]:
        """List the ControllerRevisions of a ModelDeployment; the client of custom objects knows every group's URLs."""
        group, _, version = CONTROLLER_REVISION.api_version.partition("/")
        return self._labelled(name, group, version, self._namespace, CONTROLLER_REVISION.plural)

    def _labelled(self, name: str, *place: str) -> list[Json]:
        """List the objects of a place that carry the label of a ModelDeployment."""
        ask, selector = self._api.list_namespaced_custom_object, f"{MODEL_DEPLOYMENT_LABEL}={name}"
        answer = self._ask(f"list {place[-1]}", ask, *place, label_selector=selector)
        return list(answer["items"]) if answer else []

    def patch_rollout(self, name: str, patch: Json) -> Json:
        """Merge-patch a Rollout; never its status."""
        place = (GROUP, VERSION, self._namespace, ROLLOUT.plural, name)
        answer = self._ask(
            "patch rollouts",
            self._api.patch_namespaced_custom_object,
            *place,
            patch,
            field_manager=FIELD_MANAGER,
            _content_type=MERGE_PATCH,
        )
        if answer is None:
            raise Refused(f"Rollout {name} is gone: run status again")
        return answer

    def patch_model_deployment(self, name: str, operations: list[Json]) -> Json:
        """JSON-patch the spec of a ModelDeployment, as its user."""
        answer = self._ask(
            "patch modeldeployments",
            self._api.patch_namespaced_custom_object,
            *(GROUP, VERSION, self._namespace, MODEL_DEPLOYMENT.plural, name),
            operations,
            field_manager=FIELD_MANAGER,
            _content_type=JSON_PATCH,
        )
        if answer is None:
            raise Refused(f"ModelDeployment {name} is gone: run status again")
        return answer

    def _ask(self, doing: str, call: Callable[..., Any], *place: Any, **options: Any) -> Json | None:
        """Make a request; None is a 404, and every other failure a sentence."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            answer: Json = call(*place, _request_timeout=TIMEOUT_SECONDS, **options)
        except ApiException as error:
            if error.status == 404:
                return None
            raise self._refusal(doing, error.status or 0, _message(error)) from error
        except (HTTPError, OSError) as error:
            raise Refused(f"cannot reach the cluster at {self._host}: {_short(error)}") from error
        return answer

    def _refusal(self, doing: str, status: int, message: str) -> Refused:
        where = f"in namespace {self._namespace}"
        if status == 403:
            role = ROLES.get(doing, "serinus-view")
            text = f"you may not {doing} {where}: ask an administrator to bind ClusterRole {role} to you there"
            return NotAllowed(f"{text} ({message})")
        if status == 401:
            return Refused(f"the cluster at {self._host} rejected your credentials: log in again")
        if status == 0:
            return Refused(f"cannot reach the cluster at {self._host}: {message}")
        if status == 422 and message == PATCH_MISFITS:
            return Refused("the object has changed since it was read: run undo again")
        return Refused(f"the cluster refuses to {doing} {where}: {message}")


def _message(error: Any) -> str:
    """Read what the API server says of its refusal."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.reason)


def _short(error: Exception) -> str:
    """Leave out the object's address that urllib3 writes in front."""
    return str(error).rpartition(">: ")[2] or type(error).__name__
