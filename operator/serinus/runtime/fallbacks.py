"""Looks at the ModelDeployments that others fall back to, and wakes those when one can, or can no longer, serve.

What answers is another's root Service: it selects the pods of that one's own stable revision, and follows it. A
fallback of the other's is none of ours, so two that name each other are only both down together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from serinus.api.parsing import ModelDeploymentView
from serinus.api.runtime import RuntimeType
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, REVISION_LABEL, Key, controller_uid
from serinus.core.model.kinds import CONTROLLER_REVISION, MODEL_DEPLOYMENT, POD, SERVICE, Json
from serinus.core.model.snapshot import Fallback, Obstacle
from serinus.core.plan.revisions import revision_name
from serinus.core.rollout.fallback import FIELD
from serinus.core.serving.runtimes import DEFAULT_TYPE, RUNTIMES
from serinus.runtime.health import is_live, is_ready
from serinus.runtime.ports import Cache


@dataclass(frozen=True)
class _Other:
    """What decides whether a ModelDeployment can stand in; `model` is its server's name of what is stable there."""

    exists: bool = False
    server: RuntimeType = DEFAULT_TYPE
    model: str = ""
    ready: bool = False


class Fallbacks:
    """Knows who falls back to whom; `wake` is told whose fallback has changed."""

    def __init__(self, cache: Cache, *, wake: Callable[[Key], None]) -> None:
        self._cache = cache
        self._wake = wake
        self._named: dict[Key, Key] = {}
        """Whom each falls back to."""
        self._known: dict[Key, _Other] = {}
        """Each that anybody falls back to, as it was when it was looked at last."""
        cache.follow(MODEL_DEPLOYMENT, self._deployed)
        cache.follow(SERVICE, self._served)
        cache.follow(POD, self._ran)

    def look(self, view: ModelDeploymentView) -> Fallback | None:
        """Say who stands in for a ModelDeployment, and whether it can.

        Its model is not compared yet: that needs to know who serves here.
        """
        traffic = view.spec.traffic
        if traffic is None or traffic.fallback is None:
            return None
        name = traffic.fallback.name
        other = self._seen(Key(view.namespace, name))
        return Fallback(name, _obstacle(view, name, other), other.model)

    def _seen(self, key: Key) -> _Other:
        deployment = self._cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
        if deployment is None or not is_live(deployment):
            return _Other()
        root = self._cache.get(SERVICE, key.namespace, key.name)
        if root is None or controller_uid(root) != deployment["metadata"]["uid"]:
            return _Other(exists=True, server=_server_of(deployment))
        hashed = str((root["spec"].get("selector") or {}).get(REVISION_LABEL, ""))
        revision = self._cache.get(CONTROLLER_REVISION, key.namespace, revision_name(key.name, hashed))
        model = revision["data"].get("model") if revision else _model_of(deployment)
        pods = self._cache.owned(POD, key.namespace, key.name).values()
        ready = any(is_ready(pod) for pod in pods if pod["metadata"]["labels"].get(REVISION_LABEL) == hashed)
        return _Other(True, _server_of(deployment), str(model or key.name), ready)

    def _deployed(self, namespace: str, name: str, manifest: Json | None) -> None:
        """Follow whom a ModelDeployment names, and what becomes of one that is named."""
        key = Key(namespace, name)
        wish, before = _named(manifest), self._named.get(key)
        named = Key(namespace, wish) if wish is not None else None
        if named != before:
            self._name(key, named)
            if before is not None and before not in self._named.values():
                del self._known[before]
        self._look_again((key,))

    def _name(self, key: Key, named: Key | None) -> None:
        self._named.pop(key, None)
        if named is not None:
            self._named[key] = named
            self._known[named] = self._seen(named)

    def _served(self, namespace: str, name: str, _: Json | None) -> None:
        self._look_again((Key(namespace, name),))

    def _ran(self, namespace: str, _: str, pod: Json | None) -> None:
        """Follow a pod; of one that is gone nobody tells whose it was."""
        if pod is None:
            self._look_again([key for key in self._known if key.namespace == namespace])
        else:
            owner = (pod["metadata"].get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL, "")
            self._look_again((Key(namespace, owner),))

    def _look_again(self, keys: Iterable[Key]) -> None:
        """Wake those who name one of these where anything about it has changed."""
        for key in keys:
            if key not in self._known:
                continue
            before, self._known[key] = self._known[key], self._seen(key)
            if before != self._known[key]:
                for one in sorted(one for one, named in self._named.items() if named == key):
                    self._wake(one)


def _model_of(deployment: Json) -> str | None:
    """Read what a spec calls its model; one that another version of the schema wrote may say anything."""
    model = (deployment.get("spec") or {}).get("model")
    return model.get("name") if isinstance(model, dict) else None


def _server_of(deployment: Json) -> RuntimeType:
    """Read what a spec is served by; the default where it says nothing that we know."""
    runtime = (deployment.get("spec") or {}).get("runtime")
    written = runtime.get("type") if isinstance(runtime, dict) else None
    return next((one for one in RuntimeType if one == written), DEFAULT_TYPE)


def _named(manifest: Json | None) -> str | None:
    traffic = ((manifest or {}).get("spec") or {}).get("traffic") or {}
    name = (traffic.get("fallback") or {}).get("name")
    return None if name is None else str(name)


def _obstacle(view: ModelDeploymentView, name: str, other: _Other) -> Obstacle | None:
    """Say why another cannot answer, and what to do."""
    if not other.exists:
        text = f"there is no ModelDeployment {name} in namespace {view.namespace}: create it, or name another"
        return Obstacle("FallbackMissing", f"{FIELD}: {text}")
    ours = view.spec.runtime.type or DEFAULT_TYPE
    if RUNTIMES[other.server].interface != RUNTIMES[ours].interface:
        text = f"{name} is served by {other.server} and {view.name} by {ours}, whose requests have other paths"
        return Obstacle("FallbackModelDiffers", f"{FIELD}: {text}: name one with the same spec.runtime.type")
    if not other.ready:
        text = f"{name} has no ready pod of a stable version, so it cannot stand in: its own conditions say why"
        return Obstacle("FallbackNotReady", f"{FIELD}: {text}")
    return None
