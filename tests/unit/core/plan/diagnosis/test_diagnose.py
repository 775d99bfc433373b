"""Why pods are not ready: each reason of the closed list, from what a cluster really says."""

from __future__ import annotations

import pytest

from serinus.core.model.kinds import Json
from serinus.core.plan.diagnosis import diagnose
from serinus.core.plan.diagnosis.reasons import NotReadyReason
from tests.unit.core.plan.diagnosis.given import (
    POD,
    REVISION,
    RUNNING,
    assert_says,
    crashed,
    diagnosed,
    event,
    kept,
    log,
    pod,
    refused,
    terminated,
    unschedulable,
    waiting,
)
from tests.unit.core.plan.given import revision, template


@pytest.mark.parametrize(
    ("reason", "message", "parts"),
    [
        pytest.param(
            NotReadyReason.SECRET_NOT_FOUND, 'secret "hub" not found', ("Secret hub", "create it", "env"), id="a Secret"
        ),
        pytest.param(
            NotReadyReason.SECRET_NOT_FOUND,
            "couldn't find key token in Secret ml/hub",
            ("Secret hub has no key token", "add the key"),
            id="a key of a Secret",
        ),
        pytest.param(
            NotReadyReason.CONFIG_MAP_NOT_FOUND,
            'configmap "settings" not found',
            ("ConfigMap settings",),
            id="a ConfigMap",
        ),
        pytest.param(
            NotReadyReason.CONFIG_MAP_NOT_FOUND,
            "couldn't find key level in ConfigMap ml/settings",
            ("ConfigMap settings has no key level",),
            id="a key of a ConfigMap",
        ),
    ],
)
def test_what_a_variable_names_in_vain_is_named(reason: NotReadyReason, message: str, parts: tuple[str, ...]) -> None:
    assert_says(diagnosed(waiting("CreateContainerConfigError", message)), reason, *parts)


@pytest.mark.parametrize(
    ("message", "part"),
    [
        pytest.param(
            'MountVolume.SetUp failed for volume "model" : configmap "fraud-abcdef0123" not found',
            "the revision's copy of the model",
            id="the copy is gone",
        ),
        pytest.param(
            'MountVolume.SetUp failed for volume "model" : configmap references non-existent config key: w.npz',
            "has no key w.npz",
            id="a key is gone",
        ),
    ],
)
def test_a_mount_that_fails_names_the_config_map(message: str, part: str) -> None:
    found = diagnosed(waiting("ContainerCreating"), event("FailedMount", message))
    assert_says(found, NotReadyReason.CONFIG_MAP_NOT_FOUND, part)


def test_a_mount_that_failed_once_and_works_now_is_no_reason() -> None:
    past = event("FailedMount", 'MountVolume.SetUp failed for volume "model" : configmap "x" not found')
    assert diagnosed(pod(state=RUNNING), past) is None


def test_events_of_another_pod_are_no_reason() -> None:
    other = event("FailedMount", 'MountVolume.SetUp failed for volume "model" : configmap "x" not found', about="other")
    assert diagnosed(waiting("ContainerCreating"), other) is None


@pytest.mark.parametrize(
    ("one", "part"),
    [
        pytest.param(
            unschedulable('0/1 nodes are available: persistentvolumeclaim "models" not found.'),
            "PersistentVolumeClaim models is not in the namespace",
            id="no claim",
        ),
        pytest.param(
            unschedulable('0/1 nodes are available: persistentvolumeclaim "models" is being deleted.'),
            "PersistentVolumeClaim models is being deleted",
            id="a claim on its way out",
        ),
        pytest.param(
            waiting(
                "CreateContainerConfigError",
                'failed to create subPath directory for volumeMount "model" of container "triton"',
            ),
            "correct the path in spec.model.storageUri",
            id="no folder in the claim",
        ),
    ],
)
def test_a_claim_that_is_not_there_is_named(one: Json, part: str) -> None:
    assert_says(diagnosed(one), NotReadyReason.CLAIM_NOT_FOUND, part)


def test_a_claim_of_the_teams_is_told_as_theirs() -> None:
    one = unschedulable('0/1 nodes are available: persistentvolumeclaim "scratch" not found.')
    assert_says(diagnosed(one), NotReadyReason.CLAIM_NOT_FOUND, "scratch", "correct spec.runtime.podTemplate")


@pytest.mark.parametrize(
    ("mount", "part"),
    [
        pytest.param('"data" of container "triton"', "subPath in spec.runtime.podTemplate", id="the team's volume"),
        pytest.param('"model" of container "warm"', "subPath in spec.runtime.podTemplate", id="the team's container"),
        pytest.param('"serinus-cache" of container "serinus-fetch"', "modelCache.hostPath", id="the cache"),
    ],
)
def test_a_folder_that_is_not_there_is_told_as_that_of_who_named_it(mount: str, part: str) -> None:
    one = waiting("CreateContainerConfigError", f"failed to prepare subPath for volumeMount {mount}")
    found = diagnosed(one)
    assert_says(found, NotReadyReason.CLAIM_NOT_FOUND, part)
    assert found is not None
    assert "storageUri" not in found.message


@pytest.mark.parametrize(
    "reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError"]
)
def test_an_image_that_cannot_be_pulled_is_named(reason: str) -> None:
    found = diagnosed(waiting(reason, "not found"))
    assert_says(
        found, NotReadyReason.IMAGE_PULL_FAILED, "example.com/triton:26.07", "(not found)", "spec.runtime.image"
    )


def test_the_registrys_own_words_are_repeated_where_an_event_has_them() -> None:
    said = 'Failed to pull image "example.com/triton:26.07": example.com/triton:26.07: denied'
    found = diagnosed(waiting("ImagePullBackOff", 'Back-off pulling image "x"'), event("Failed", said))
    assert_says(found, NotReadyReason.IMAGE_PULL_FAILED, "denied")


def test_a_failed_pull_is_told_alike_at_each_try() -> None:
    tries = [
        f"Failed to pull image: dial tcp: lookup example.com: read udp 10.0.0.2:{port}->10.0.0.1:53: i/o timeout"
        for port in (34624, 47039)
    ]
    told = [diagnosed(waiting("ErrImagePull"), event("Failed", said)) for said in tries]
    assert told[0] == told[1]
    assert_says(told[0], NotReadyReason.IMAGE_PULL_FAILED, "lookup example.com: i/o timeout")


def test_a_missing_pull_secret_is_the_cause_of_a_failed_pull() -> None:
    said = "Unable to retrieve some image pull secrets (registry); attempting to pull the image may not succeed."
    found = diagnosed(waiting("ErrImagePull", "denied"), event("FailedToRetrieveImagePullSecret", said))
    assert_says(found, NotReadyReason.SECRET_NOT_FOUND, "Secret registry", "spec.runtime.imagePullSecrets")


def test_a_missing_pull_secret_is_no_reason_while_the_image_is_there() -> None:
    said = "Unable to retrieve some image pull secrets (registry); attempting to pull the image may not succeed."
    assert diagnosed(pod(state=RUNNING), event("FailedToRetrieveImagePullSecret", said)) is None


@pytest.mark.parametrize(
    ("name", "part"),
    [
        pytest.param(
            "python-import", "No module named 'lightgbm' at /models/fraud/1/model.py(1)", id="an import fails"
        ),
        pytest.param("no-backend", "unable to find backend library", id="no backend"),
        pytest.param("bad-config", 'no field named "nonsense"', id="a bad configuration"),
        pytest.param("no-repository", "correct spec.model.storageUri", id="no such folder in the image"),
        pytest.param("info-level", f"kubectl logs {POD} --previous", id="the reason is cut off"),
    ],
)
@pytest.mark.parametrize("state", ["backed off", "just ended", "started again"])
def test_a_model_that_does_not_load_is_told_in_tritons_words(name: str, part: str, state: str) -> None:
    message = kept(log(name))
    ended = terminated(message)
    one = {
        "backed off": crashed(message),
        "just ended": pod(state=ended),
        "started again": pod(state=RUNNING, last=ended),
    }[state]
    assert_says(diagnosed(one), NotReadyReason.MODEL_LOAD_FAILED, "Triton cannot load fraud", part)


def test_a_startup_probe_that_never_passed_is_a_timeout() -> None:
    killed = event("Killing", "Container triton failed startup probe, will be restarted")
    found = diagnosed(pod(state=RUNNING, last=terminated("", 137)), killed)
    assert_says(found, NotReadyReason.MODEL_LOAD_TIMEOUT, "not loaded within 900 s", "spec.runtime.loadTimeoutSeconds")


def test_a_timeout_with_tritons_reason_is_a_failed_load() -> None:
    killed = event("Killing", "Container triton failed startup probe, will be restarted")
    found = diagnosed(pod(state=RUNNING, last=terminated(kept(log("no-file")), 137)), killed)
    assert_says(found, NotReadyReason.MODEL_LOAD_FAILED, "Python model file not found")


@pytest.mark.parametrize(
    ("message", "part"),
    [
        pytest.param(
            'pods "fraud-abcdef0123-1" is forbidden: exceeded quota: compute, requested: limits.memory=2Gi, '
            "used: limits.memory=8Gi, limited: limits.memory=8Gi",
            "exceeded quota: compute, requested: limits.memory=2Gi",
            id="over the quota",
        ),
        pytest.param(
            'pods "fraud-abcdef0123-1" is forbidden: failed quota: compute: must specify limits.cpu for: triton',
            "must specify limits.cpu",
            id="a quota that wants a limit",
        ),
        pytest.param(
            'pods "fraud-abcdef0123-1" is forbidden: maximum memory usage per Container is 1Gi, but limit is 2Gi',
            "maximum memory usage per Container is 1Gi",
            id="a limit range",
        ),
    ],
)
def test_pods_beyond_the_quota_are_told_with_the_numbers(message: str, part: str) -> None:
    found = diagnosed(None, deployment=refused(message))
    assert_says(found, NotReadyReason.QUOTA_EXCEEDED, part, "spec.runtime.resources")
    assert found is not None
    assert "is forbidden" not in found.message


def test_pods_that_a_policy_refuses_are_told() -> None:
    message = 'pods "fraud-1" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities'
    assert_says(diagnosed(None, deployment=refused(message)), NotReadyReason.NOT_READY, "violates PodSecurity")


def test_a_missing_gpu_is_told_apart_from_any_other_shortage() -> None:
    message = (
        "0/3 nodes are available: 3 Insufficient nvidia.com/gpu. no new claims to deallocate, "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    found = diagnosed(unschedulable(message))
    assert_says(found, NotReadyReason.UNSCHEDULABLE_GPU, "no node has 2 free nvidia.com/gpu", "spec.runtime.gpu")
    assert found is not None
    assert "(0/3 nodes are available: 3 Insufficient nvidia.com/gpu)" in found.message


def test_a_gpu_that_was_gone_when_the_pod_came_is_a_missing_gpu_too() -> None:
    message = "Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 2"
    lost = pod(phase="Failed", reason="UnexpectedAdmissionError", message=message)
    assert_says(diagnosed(lost), NotReadyReason.UNSCHEDULABLE_GPU, "devices unavailable")


@pytest.mark.parametrize(
    ("message", "part"),
    [
        pytest.param("0/3 nodes are available: 3 Insufficient memory.", "spec.runtime.resources", id="memory"),
        pytest.param(
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.", "nodeSelector", id="nodes"
        ),
        pytest.param(
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", "bind the claim", id="a claim"
        ),
    ],
)
def test_a_pod_that_no_node_takes_is_told_in_the_schedulers_words(message: str, part: str) -> None:
    assert_says(diagnosed(unschedulable(message)), NotReadyReason.UNSCHEDULABLE, message.rstrip("."), part)


def test_a_kill_for_memory_names_the_limit() -> None:
    found = diagnosed(crashed("", 137, "OOMKilled"))
    assert_says(found, NotReadyReason.OUT_OF_MEMORY, POD, "limit of 2Gi", "spec.runtime.resources.limits.memory")


def test_a_kill_for_memory_without_a_limit_is_the_nodes() -> None:
    found = diagnose([crashed("", 137, "OOMKilled")], None, [], revision=revision())
    assert_says(found, NotReadyReason.OUT_OF_MEMORY, "by its node")


@pytest.mark.parametrize(
    ("one", "parts"),
    [
        pytest.param(
            crashed("Usage: tritonserver [options]\nunrecognized option '--log-info=false'", 1),
            ("exit code 1 (unrecognized option '--log-info=false')", "--previous"),
            id="an option it does not know",
        ),
        pytest.param(crashed("", 139), ("exit code 139: run kubectl logs",), id="a crash without a word"),
        pytest.param(
            waiting("RunContainerError", 'exec: "tritonserver": executable file not found in $PATH'),
            ("executable file not found", "spec.runtime.image"),
            id="an image without Triton",
        ),
        pytest.param(
            crashed('runc create failed: exec: "tritonserver": executable file not found in $PATH', 128, "StartError"),
            ("executable file not found", "spec.runtime.image"),
            id="an image without Triton, backed off",
        ),
    ],
)
def test_a_triton_that_does_not_stay_is_told(one: Json, parts: tuple[str, ...]) -> None:
    assert_says(diagnosed(one), NotReadyReason.CRASH_LOOP, *parts)


@pytest.mark.parametrize(
    ("one", "part"),
    [
        pytest.param(pod(state=RUNNING, started=True), "is running, but model fraud is not ready", id="it runs"),
        pytest.param(pod(state=terminated("", 139)), "exit code 139", id="it ended once: that is no loop"),
        pytest.param(
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            "Evicted: The node was low on resource: memory",
            id="it was evicted",
        ),
    ],
)
def test_a_pod_that_was_up_and_is_not_ready_is_told(one: Json, part: str) -> None:
    assert_says(diagnosed(one), NotReadyReason.NOT_READY, part)


@pytest.mark.parametrize(
    "one",
    [
        pytest.param(None, id="no pod yet"),
        pytest.param(pod(), id="just made"),
        pytest.param(waiting("ContainerCreating"), id="being created"),
        pytest.param(waiting("PodInitializing"), id="being initialised"),
        pytest.param(pod(state=RUNNING), id="loading its model"),
        pytest.param(pod(state=RUNNING, started=True, ready=True), id="ready"),
        pytest.param(pod(state=RUNNING, started=True, ready=True, last=terminated("", 137)), id="ready after a crash"),
    ],
)
def test_a_pod_on_its_ordinary_way_up_has_nothing_wrong(one: Json | None) -> None:
    assert diagnosed(one) is None


def test_a_pod_that_is_being_deleted_is_passed_over() -> None:
    leaving = crashed("", 139)
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T10:00:00Z"
    assert diagnosed(leaving) is None


def test_an_init_container_that_cannot_start_is_looked_at() -> None:
    status = {"name": "fetch", "state": {"waiting": {"reason": "ErrImagePull", "message": "denied"}}}
    assert_says(diagnosed(pod(initContainerStatuses=[status])), NotReadyReason.IMAGE_PULL_FAILED, "denied")


def test_the_cause_comes_before_what_follows_from_it_whatever_the_order_of_the_pods() -> None:
    pods = [
        pod(state=RUNNING, started=True, name="other"),
        waiting("CreateContainerConfigError", 'secret "x" not found'),
    ]
    for order in (pods, pods[::-1]):
        assert_says(diagnose(order, None, [], revision=REVISION), NotReadyReason.SECRET_NOT_FOUND)


def test_a_long_message_is_cut() -> None:
    found = diagnosed(unschedulable("x" * 5000))
    assert found is not None
    assert len(found.message) < 1000


SGLANG: Json = {
    "model": {"version": "1", "storageUri": "pvc://models/qwen/1"},
    "runtime": {"type": "openai", "image": "example.com/sglang:1", "podTemplate": {"command": ["sglang", "serve"]}},
}


@pytest.mark.parametrize(
    ("one", "says"),
    [
        pytest.param(
            waiting("RunContainerError", 'exec: "sglang": executable file not found in $PATH'),
            "holds sglang, or correct spec.runtime.podTemplate.command",
            id="not in the image",
        ),
        pytest.param(crashed("boom"), "the server ended with exit code 1 (boom)", id="ended"),
        pytest.param(
            crashed('  File "x.py", line 3, in load_model\nValueError: no weights'),
            "the server cannot load fraud (ValueError: no weights)",
            id="not loaded",
        ),
    ],
)
def test_a_server_of_the_teams_own_is_not_called_vllm(one: Json, says: str) -> None:
    """It speaks the same protocol; what it is called is in the team's command."""
    one["status"]["containerStatuses"][0]["name"] = "openai"
    found = diagnose([one], None, [], revision=revision(template=template(SGLANG)))
    assert found is not None
    assert says in found.message
    assert "vllm" not in found.message.lower()
