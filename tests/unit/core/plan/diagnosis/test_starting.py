"""Pods that do not get as far as Triton, and kills for memory wherever they happen."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from serinus.core.plan.diagnosis import diagnose
from serinus.core.plan.diagnosis.reasons import NotReadyReason
from tests.unit.core.plan.diagnosis.given import (
    POD,
    RUNNING,
    assert_says,
    crashed,
    diagnosed,
    event,
    pod,
    refused,
    terminated,
    waiting,
)
from tests.unit.core.plan.given import FULL, revision, template

WAITS = waiting("ContainerCreating")
ATTACH = 'AttachVolume.Attach failed for volume "pvc-1" : volume is attached to node-2'
TIMED_OUT = "Unable to attach or mount volumes: unmounted volumes=[model]: timed out waiting for the condition"


@pytest.mark.parametrize(
    ("events", "reason", "said"),
    [
        pytest.param(
            [event("FailedMount", 'MountVolume.SetUp failed for volume "model" : rpc error: access denied')],
            NotReadyReason.VOLUME_NOT_MOUNTED,
            "rpc error: access denied",
            id="a mount",
        ),
        pytest.param(
            [event("FailedAttachVolume", ATTACH)], NotReadyReason.VOLUME_NOT_MOUNTED, ATTACH, id="an attachment"
        ),
        pytest.param(
            [event("FailedAttachVolume", ATTACH), event("FailedMount", TIMED_OUT)],
            NotReadyReason.VOLUME_NOT_MOUNTED,
            ATTACH,
            id="the cause, not the sum of it",
        ),
        pytest.param(
            [event("FailedMount", TIMED_OUT)], NotReadyReason.VOLUME_NOT_MOUNTED, TIMED_OUT, id="the sum alone"
        ),
        pytest.param(
            [event("FailedCreatePodSandBox", 'plugin type="calico" failed (add): no IPs available in range')],
            NotReadyReason.SANDBOX_FAILED,
            "no IPs available in range",
            id="a sandbox",
        ),
        pytest.param(
            [event("NetworkNotReady", "network is not ready: cni plugin not initialized")],
            NotReadyReason.SANDBOX_FAILED,
            "cni plugin not initialized",
            id="no network",
        ),
    ],
)
def test_a_pod_that_gets_no_container_is_told_in_the_kubelets_words(
    events: list[Json], reason: NotReadyReason, said: str
) -> None:
    assert_says(diagnosed(WAITS, *events), reason, POD, said)


@pytest.mark.parametrize(
    "one", [pod(state=RUNNING), waiting("PodInitializing", podIP="10.0.0.5")], ids=["Triton runs", "it has an address"]
)
@pytest.mark.parametrize("reason", ["FailedMount", "FailedAttachVolume", "FailedCreatePodSandBox"])
def test_what_failed_before_and_works_now_is_no_reason(one: Json, reason: str) -> None:
    """Events outlive what they tell of."""
    assert diagnosed(one, event(reason, "failed")) is None


def test_the_latest_of_several_events_is_told() -> None:
    old = {**event("FailedMount", "first"), "lastTimestamp": "2026-03-01T10:00:00Z"}
    new = {**event("FailedMount", "second"), "lastTimestamp": "2026-03-01T10:05:00Z"}
    assert_says(diagnosed(WAITS, new, old), NotReadyReason.VOLUME_NOT_MOUNTED, "(second)")


@pytest.mark.parametrize(
    "said",
    [
        'pods "fraud-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (container "log")',
        'pods "fraud-x" is forbidden: error looking up service account ml/reader: serviceaccount "reader" not found',
        'pods "fraud-x" is forbidden: no PriorityClass with name high was found',
    ],
    ids=["Pod Security", "no such account", "no such priority"],
)
def test_pods_that_are_refused_for_the_teams_part_point_to_it(said: str) -> None:
    found = diagnosed(None, deployment=refused(said))
    assert_says(found, NotReadyReason.NOT_READY, said.partition("forbidden: ")[2], "correct spec.runtime.podTemplate")


def test_an_image_of_the_teams_is_told_as_theirs() -> None:
    """The server's own may be there all the while."""
    raw = {
        **FULL,
        "runtime": {**FULL["runtime"], "podTemplate": {"containers": [{"name": "logger", "image": "log:2"}]}},
    }
    asked = revision(template=template(raw))
    one = pod(state=RUNNING, started=True)
    one["status"]["containerStatuses"][0]["ready"] = True
    one["status"]["containerStatuses"].append(
        {"name": "logger", "ready": False, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}
    )
    pulls = [event("Failed", 'Failed to pull image "log:2": not found'), event("Failed", "Failed to pull image x: y")]
    found = diagnose([one], None, pulls, revision=asked)
    assert_says(found, NotReadyReason.IMAGE_PULL_FAILED, 'image log:2 cannot be pulled (Failed to pull image "log:2"')
    assert_says(found, NotReadyReason.IMAGE_PULL_FAILED, "the image of container logger in the pod's template")


def _initialising(**status: Json) -> Json:
    """Make a pod whose init container has a status, while Triton waits for it."""
    return waiting("PodInitializing", initContainerStatuses=[{"name": "fetch", **status}], podIP="10.0.0.5")


BACKED_OFF: Json = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param({"state": terminated("fetching\n404 not found", 1)}, "exit code 1 (404 not found)", id="it fails"),
        pytest.param(
            {"state": BACKED_OFF, "lastState": terminated("403 denied", 2)},
            "exit code 2 (403 denied)",
            id="it is backed off",
        ),
        pytest.param(
            {"state": {"waiting": {"reason": "CreateContainerError", "message": "no such device"}}},
            "cannot start (no such device)",
            id="it cannot start",
        ),
    ],
)
def test_an_init_container_that_fails_is_told(status: Json, said: str) -> None:
    assert_says(
        diagnosed(_initialising(**status)), NotReadyReason.INIT_CONTAINER_FAILED, "fetch", said, f"{POD} -c fetch"
    )


@pytest.mark.parametrize(
    "status",
    [
        {"state": RUNNING},
        {"state": RUNNING, "lastState": terminated("a first try", 1)},
        {"state": terminated("", 0, "Completed")},
        {"state": {"waiting": {"reason": "PodInitializing"}}},
    ],
    ids=["it runs", "it runs again", "it is done", "its turn has not come"],
)
def test_an_init_container_on_its_way_is_no_reason(status: Json) -> None:
    assert diagnosed(_initialising(**status)) is None


@pytest.mark.parametrize(
    ("one", "who"),
    [
        pytest.param(crashed("", 137, "OOMKilled"), f"pod {POD}", id="Triton, backed off"),
        pytest.param(pod(state=terminated("", 137, "OOMKilled")), f"pod {POD}", id="Triton, just now"),
        pytest.param(pod(state=RUNNING, last=terminated("", 137, "OOMKilled")), f"pod {POD}", id="Triton, tried again"),
        pytest.param(
            _initialising(state=BACKED_OFF, lastState=terminated("", 137, "OOMKilled")), "container fetch", id="init"
        ),
        pytest.param(_initialising(state=terminated("", 137, "OOMKilled")), "container fetch", id="init, just now"),
    ],
)
def test_a_kill_for_memory_is_the_cause_wherever_it_happened(one: Json, who: str) -> None:
    """A back-off and an exit code only follow from it."""
    assert_says(diagnosed(one), NotReadyReason.OUT_OF_MEMORY, who, "was killed for memory")


def test_a_container_beside_triton_that_is_not_ready_is_named() -> None:
    """A mesh's proxy, for one: Triton itself answers."""
    one = pod(state=RUNNING, started=True)
    one["status"]["containerStatuses"][0]["ready"] = True
    proxy = {"name": "istio-proxy", "ready": False, "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    one["status"]["containerStatuses"].append(proxy)
    assert_says(diagnosed(one), NotReadyReason.NOT_READY, "container istio-proxy (ImagePullBackOff)", "beside Triton")


@pytest.mark.parametrize(
    "message",
    [
        'pods "fraud-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
        'admission webhook "images.example.com" denied the request: image is not signed',
    ],
    ids=["PodSecurity", "a webhook"],
)
def test_pods_that_are_refused_are_told_in_the_words_of_who_refuses(message: str) -> None:
    assert_says(diagnosed(None, deployment=refused(message)), NotReadyReason.NOT_READY, message.rpartition(": ")[2])
