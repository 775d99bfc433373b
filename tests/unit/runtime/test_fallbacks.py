"""Who can stand in for whom, from the caches; and who is woken when that changes."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import MODEL_DEPLOYMENT, POD, SERVICE, Json
from serinus.core.model.snapshot import Fallback
from serinus.core.plan.workload import render_root_service
from serinus.runtime.fallbacks import Fallbacks
from tests.unit.core.rollout.given import deployment

RULES = Owner("ml", "rules", "uid-rules")
HASH, OTHER_HASH = "aaaaaaaaaa", "bbbbbbbbbb"


class Desk:
    """A cache, what looks into it, and who was woken."""

    def __init__(self) -> None:
        self.cache = ObjectCache()
        self.woken: list[Key] = []
        self.fallbacks = Fallbacks(self.cache, wake=self.woken.append)
        self._version = 0

    def put(self, manifest: Json) -> None:
        self._version += 1
        manifest["metadata"] = {"namespace": "ml", **manifest["metadata"], "resourceVersion": str(self._version)}
        self.cache.store(manifest)

    def name(self, user: str, other: str | None) -> None:
        """Have a ModelDeployment that falls back to another one."""
        traffic = {"fallback": {"name": other}} if other else {}
        self.put(_manifest(MODEL_DEPLOYMENT, user, f"uid-{user}", spec={"traffic": traffic, "model": {}}))

    def deploy(self, model: str | None = "fraud", **runtime: str) -> None:
        spec = {"model": {"name": model} if model else {}, "runtime": runtime}
        self.put(_manifest(MODEL_DEPLOYMENT, "rules", RULES.uid, spec=spec))

    def serve(self, hashed: str = HASH) -> None:
        self.put(render_root_service(RULES, hashed))

    def run(self, *, ready: bool = True, hashed: str = HASH, name: str = "pod") -> None:
        status = {"conditions": [{"type": "Ready", "status": str(ready)}]}
        self.put(_manifest(POD, name, name, labels=RULES.labels(hashed), status=status))

    @property
    def reason(self) -> str | None:
        found = self.fallbacks.look(deployment(traffic={"fallback": {"name": "rules"}}))
        assert found is not None
        return found.obstacle.reason if found.obstacle else None


def _manifest(kind: Any, name: str, uid: str, *, labels: Json | None = None, **rest: Any) -> Json:
    metadata = {"name": name, "uid": uid, "labels": labels or {}}
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **rest}


def test_who_names_none_has_none() -> None:
    assert Desk().fallbacks.look(deployment()) is None


def test_a_stable_with_a_ready_pod_can_stand_in() -> None:
    """Step by step."""
    desk = Desk()
    assert desk.reason == "FallbackMissing"
    desk.deploy()
    assert desk.reason == "FallbackNotReady"
    desk.serve()
    assert desk.reason == "FallbackNotReady"
    desk.run(ready=False)
    assert desk.reason == "FallbackNotReady"
    desk.run()
    assert desk.reason is None


@pytest.mark.parametrize(("model", "told"), [("other", "other"), (None, "rules")], ids=["a model", "its own name"])
def test_what_it_serves_is_told(model: str | None, told: str) -> None:
    """Whether that is what is needed depends on who serves here."""
    desk = Desk()
    desk.deploy(model)
    desk.serve()
    desk.run()
    found = desk.fallbacks.look(deployment(traffic={"fallback": {"name": "rules"}}))
    assert found == Fallback("rules", model=told)


@pytest.mark.parametrize(
    ("server", "reason"), [("triton", None), ("mlserver", None), ("openai", "FallbackModelDiffers")]
)
def test_one_that_is_asked_in_another_way_cannot_stand_in(server: str, reason: str | None) -> None:
    """Whatever it is called: the route admits the requests of this one's protocol."""
    desk = Desk()
    desk.deploy(type=server)
    desk.serve()
    desk.run()
    assert desk.reason == reason


def test_pods_of_a_canary_do_not_count() -> None:
    """The root Service selects stable's."""
    desk = Desk()
    desk.deploy()
    desk.serve()
    desk.run(hashed=OTHER_HASH)
    assert desk.reason == "FallbackNotReady"
    desk.serve(OTHER_HASH)
    assert desk.reason is None


def test_a_service_that_somebody_else_has_made_is_no_stand_in() -> None:
    desk = Desk()
    desk.deploy()
    desk.put({**render_root_service(Owner("ml", "rules", "of another"), HASH)})
    desk.run()
    assert desk.reason == "FallbackNotReady"


def test_those_who_name_it_are_woken_when_it_changes_and_only_then() -> None:
    """A second pod, a status or a label changes nothing for them."""
    desk, fraud = Desk(), Key("ml", "fraud")
    desk.name("fraud", "rules")
    desk.name("bystander", "elsewhere")
    for act in (desk.deploy, desk.serve, desk.run):
        act()
        desk.woken.clear()
    desk.run(name="second")
    desk.deploy()
    desk.serve()
    assert desk.woken == []
    desk.run(ready=False)
    assert desk.woken == []
    desk.run(ready=False, name="second")
    assert desk.woken == [fraud]
    desk.run(name="second")
    desk.cache.forget(POD, "ml", "second")
    assert desk.woken == [fraud] * 3


@pytest.mark.parametrize(("kind", "name"), [(MODEL_DEPLOYMENT, "rules"), (SERVICE, "rules")])
def test_they_are_woken_when_it_goes(kind: Any, name: str) -> None:
    desk = Desk()
    desk.deploy()
    desk.serve()
    desk.run()
    desk.name("fraud", "rules")
    desk.cache.forget(kind, "ml", name)
    assert desk.woken == [Key("ml", "fraud")]


def test_who_names_it_no_more_is_left_alone() -> None:
    """Nor is anybody after the one is gone."""
    desk = Desk()
    desk.name("fraud", "rules")
    desk.name("fraud", None)
    desk.name("shop", "rules")
    desk.cache.forget(MODEL_DEPLOYMENT, "ml", "shop")
    desk.deploy()
    desk.serve()
    desk.run()
    assert desk.woken == []
