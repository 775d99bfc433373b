"""What fails around a fetched model is told by the field that names it, and with a fix that takes effect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.core.model.kinds import Json
from serinus.core.plan.artifacts import Fetching, plan_fetch
from serinus.core.plan.diagnosis import diagnose
from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.fetched import CONTAINER
from serinus.core.plan.model_cache import CacheVolume
from serinus.core.plan.pods import render_template
from tests.unit.core.plan.diagnosis.given import (
    POD,
    assert_says,
    crashed,
    event,
    terminated,
    unschedulable,
    waiting,
)
from tests.unit.core.plan.given import FULL, HASH, OWNER, revision


def told(one: Json, *events: Json) -> Diagnosis | None:
    """Diagnose a pod that fetches its model with a Secret, over a cache on a claim."""
    model = {"version": "42", "storageUri": "s3://models/fraud/42", "credentials": {"secretName": "bucket"}}
    spec = ModelDeploymentSpec.parse({**FULL, "model": model})
    fetching = Fetching("example.com/serving:1", hosts=("*.example.com",), cache=CacheVolume(1 << 30, claim="cache"))
    storage = plan_fetch(spec.model, spec.runtime, fetching, model="fraud", revision=f"fraud-{HASH}")
    asked = revision(template=render_template(OWNER, HASH, spec, storage))
    return diagnose([one], None, events, revision=asked)


def fetching(**status: Any) -> Json:
    """A pod whose fetch has a status, while its server waits for it."""
    return waiting("PodInitializing", initContainerStatuses=[{"name": CONTAINER, "ready": False, **status}])


def ended(reason: str, message: str) -> Json:
    """The state of a fetch that has failed."""
    return terminated(json.dumps({"reason": reason, "message": message}))


def test_an_old_failure_of_a_fetch_that_has_ended_well_hides_nothing() -> None:
    """The server's own failure is the one that counts."""
    one = crashed("ImportError: no module named x")
    status = {"name": CONTAINER, "ready": True, "restartCount": 1, "state": terminated("{}", 0, "Completed")}
    one["status"]["initContainerStatuses"] = [{**status, "lastState": ended("ArtifactUnreachable", "no answer")}]
    found = told(one)
    assert found is not None
    assert not found.reason.startswith("Artifact")
    assert "no answer" not in found.message


@pytest.mark.parametrize(
    ("secret", "field"),
    [
        pytest.param("bucket", "spec.model.credentials.secretName", id="of the model"),
        pytest.param("settings", "spec.runtime.env or podTemplate", id="of the team"),
    ],
)
def test_a_missing_secret_is_told_by_the_field_that_names_it(secret: str, field: str) -> None:
    """The model's own stands in no variable of the server."""
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": f'secret "{secret}" not found'}}
    assert_says(told(fetching(state=state)), NotReadyReason.SECRET_NOT_FOUND, f"Secret {secret} is not", field)


@pytest.mark.parametrize(
    ("claim", "field"),
    [
        pytest.param("cache", "modelCache.claim in the operator's configuration", id="of the administrator"),
        pytest.param("scratch", "correct spec.runtime.podTemplate", id="of the team"),
    ],
)
def test_a_missing_claim_is_told_by_the_field_that_names_it(claim: str, field: str) -> None:
    """The cache's is the administrator's."""
    one = unschedulable(f'0/3 nodes are available: persistentvolumeclaim "{claim}" not found.')
    assert_says(told(one), NotReadyReason.CLAIM_NOT_FOUND, f"PersistentVolumeClaim {claim} is not", field)


def test_a_cache_that_cannot_be_mounted_is_told_as_the_administrators() -> None:
    """`storageUri` names no volume then."""
    said = event("FailedMount", 'MountVolume.SetUp failed for volume "serinus-cache" : hostPath type check failed')
    assert_says(told(waiting("ContainerCreating"), said), NotReadyReason.VOLUME_NOT_MOUNTED, "that modelCache in")


def test_an_image_that_cannot_be_pulled_to_fetch_with_is_told_as_the_administrators() -> None:
    """No field of the ModelDeployment names it."""
    found = told(fetching(state={"waiting": {"reason": "ErrImagePull", "message": "not found"}}))
    assert_says(found, NotReadyReason.IMAGE_PULL_FAILED, "example.com/serving:1", "artifacts.image", "new version")


@pytest.mark.parametrize(
    "reason",
    [
        NotReadyReason.ARTIFACT_DENIED,
        NotReadyReason.ARTIFACT_HOST_NOT_ALLOWED,
        NotReadyReason.ARTIFACT_SCHEME_NOT_INSTALLED,
    ],
)
def test_a_fix_that_needs_a_new_version_says_so(reason: NotReadyReason) -> None:
    """Pods of a revision are never rendered again: the Secret's name, the hosts and the image stay as they are."""
    found = told(fetching(state=ended(reason, f"s3://models/fraud/42 in {POD}: do this")))
    assert_says(found, reason, "do this; ", "new version")
