"""From manifest to values: defaults that are applied in parse, digests that hold still, errors that name the field."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import yaml

from serinus.api.canary import Pause, Step
from serinus.api.crds import ROOT
from serinus.api.defaults import frozen_policy, policy_of
from serinus.api.durations import GO_DURATION, in_base_units, seconds
from serinus.api.judging import ClientErrors, OnBlind
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.parsing import parse_model_deployment, parse_rollout
from serinus.api.policy import Metric, Preset, Provider, ThresholdRange
from serinus.api.policy_rules import ALONE, LIMITS_ONLY
from serinus.api.problems import DURATIONS, ApiError
from serinus.api.status import Condition


def _manifest(**spec: Any) -> dict[str, Any]:
    least = {"model": {"version": "1", "storageUri": "configmap://fraud"}, "runtime": {"image": "triton"}}
    metadata = {
        "name": "fraud",
        "namespace": "ml",
        "uid": "u-1",
        "generation": 3,
        "resourceVersion": "77",
        "creationTimestamp": "2026-01-01T00:00:10Z",
    }
    return {"metadata": metadata, "spec": {**least, **spec}}


def _spec(**spec: Any) -> ModelDeploymentSpec:
    return parse_model_deployment(_manifest(**spec)).spec


def test_reads_metadata() -> None:
    """A view carries what decides, and time as a number."""
    view = parse_model_deployment(_manifest())
    assert (view.name, view.namespace, view.uid, view.generation) == ("fraud", "ml", "u-1", 3)
    assert (view.resource_version, view.created_at, view.deleting) == ("77", 1767225610.0, False)


def test_sees_a_deletion() -> None:
    """An object that is being deleted says so."""
    raw = _manifest()
    raw["metadata"]["deletionTimestamp"] = "2026-01-01T00:01:00Z"
    assert parse_model_deployment(raw).deleting


@pytest.mark.parametrize(("model", "name"), [({}, "fraud"), ({"name": "Fraud_v2"}, "Fraud_v2")], ids=["own", "given"])
def test_names_the_model(model: dict[str, str], name: str) -> None:
    """Triton's model name is the object's own unless given."""
    view = parse_model_deployment(_manifest(model={"version": "1", "storageUri": "configmap://fraud", **model}))
    assert view.model_name == name


def test_keeps_the_spec_as_the_user_wrote_it() -> None:
    """Defaults stay out of the spec, so a changed default changes no revision's hash."""
    spec = _spec()
    assert (spec.strategy, spec.analysis, spec.guard, spec.progress_deadline_seconds) == (None, None, None, None)


def test_a_blue_green_strategy_is_written_as_it_was_read() -> None:
    """With the fields alone that were set, as `serinus simulate` compares them."""
    wanted = {"strategy": {"blueGreen": {"autoPromotionAfter": "5m"}}}
    assert _spec(**wanted).model_dump(by_alias=True, exclude_unset=True)["strategy"] == wanted["strategy"]


def test_ignores_fields_of_a_newer_version() -> None:
    """An operator that is older than the CRD reads what it knows."""
    assert _spec(surprise={"a": 1}) == _spec()


def test_default_strategy() -> None:
    """Without a strategy the canary takes 5, 25 and 50 percent, a minute each."""
    steps = policy_of(_spec()).strategy.canary.steps
    minute = Step(pause=Pause(duration="1m"))
    assert steps == (Step(set_weight=5), minute, Step(set_weight=25), minute, Step(set_weight=50), minute)


def test_default_analysis() -> None:
    """Without an analysis the error rate is at most 5 %, and latency is compared with stable's."""
    analysis = policy_of(_spec()).analysis
    assert (analysis.interval, analysis.on_blind, analysis.blind_timeout) == ("5s", OnBlind.HOLD, "5m")
    assert analysis.metrics == (
        Metric(
            name="error-rate",
            preset=Preset.ERROR_RATE,
            provider=Provider.ISTIO,
            client_errors=ClientErrors.COMPARE,
            threshold_range=ThresholdRange(max="5%"),
            failure_limit=0,
        ),
        Metric(
            name="latency-p99",
            preset=Preset.LATENCY,
            provider=Provider.ISTIO,
            quantile="0.99",
            failure_limit=0,
        ),
    )


@pytest.mark.parametrize(
    ("analysis", "says"),
    [
        pytest.param({"metrics": [{"name": "x", "preset": "error-rate"}]}, None, id="an error rate is compared"),
        pytest.param({"metrics": [{"name": "x", "preset": "latency"}]}, None, id="a latency is compared"),
        pytest.param(
            {"metrics": [{"name": "x", "preset": "latency", "provider": "triton"}]}, ALONE, id="a mean is not"
        ),
        pytest.param({"metrics": [{"name": "x", "preset": "request-count"}]}, ALONE, id="a count is not"),
        pytest.param({"metrics": [{"name": "x", "query": "vector(1)"}]}, ALONE, id="a query may mean anything"),
        pytest.param(
            {"mode": "Threshold", "metrics": [{"name": "x", "preset": "error-rate"}]}, LIMITS_ONLY, id="limits only"
        ),
    ],
)
def test_a_range_may_be_left_out_where_something_else_decides(analysis: dict[str, Any], says: str | None) -> None:
    """A metric that nothing judges would be Safe for ever."""
    if says is None:
        assert policy_of(_spec(analysis=analysis)).analysis.metrics[0].bounds == ThresholdRange()
        return
    with pytest.raises(ApiError, match=f"metric x needs thresholdRange: {says}"):
        _spec(analysis=analysis)


def _ratio(**changes: Any) -> dict[str, Any]:
    rejected = {"name": "x", "type": "Ratio", "query": "rejected", "of": "scored", "thresholdRange": {"max": "5%"}}
    return {"metrics": [{name: value for name, value in {**rejected, **changes}.items() if value is not None}]}


def test_a_ratio_needs_as_many_trials_as_an_error_rate_needs_requests() -> None:
    """Unless it says otherwise."""
    (by_default,) = policy_of(_spec(analysis=_ratio())).analysis.metrics
    (told,) = policy_of(_spec(analysis=_ratio(minSamples=200))).analysis.metrics
    assert (by_default.of, by_default.least_samples, told.least_samples) == ("scored", 20, 200)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"of": None}, "metric x: a Ratio needs of, the PromQL for the counter of trials", id="no trials"),
        pytest.param({"thresholdRange": None}, f"metric x needs thresholdRange: {ALONE}", id="no range"),
    ],
)
def test_a_ratio_that_nothing_can_judge_is_refused(changes: dict[str, Any], says: str) -> None:
    """Events of nothing are no share, and a share without a range is neither good nor bad."""
    with pytest.raises(ApiError, match=says):
        _spec(analysis=_ratio(**changes))


def test_default_guard_and_deadline() -> None:
    """Without a guard the previous revision stays ten minutes; pods may be waited for as long."""
    policy = policy_of(_spec())
    assert (policy.guard.seconds, policy.progress_deadline_seconds) == (600, 600)


def test_fills_in_a_latency_metric() -> None:
    """A latency metric gets quantile and samples, and nothing that admission would refuse."""
    metric = {"name": "p99", "preset": "latency", "thresholdRange": {"max": "250ms"}, "failureLimit": 2}
    (filled,) = policy_of(_spec(analysis={"metrics": [metric]})).analysis.metrics
    assert (filled.quantile, filled.least_samples, filled.failure_limit, filled.client_errors) == ("0.99", 20, 2, None)


def test_fills_in_a_query() -> None:
    """A query of the user's gets a failure limit only."""
    metric = {"name": "drift", "query": "up", "thresholdRange": {"max": "1"}}
    (filled,) = policy_of(_spec(analysis={"metrics": [metric]})).analysis.metrics
    assert filled.manifest() == {**metric, "failureLimit": 0}


def test_the_digest_of_an_earlier_version_holds() -> None:
    """What it rejected was filled in with minSamples 20, and stays rejected."""
    errors = {"name": "e", "preset": "error-rate", "thresholdRange": {"max": "5%"}}
    digests = [policy_of(_spec(analysis={"metrics": [errors | more]})).digest for more in ({}, {"minSamples": 20})]
    assert (digests, policy_of(_spec()).digest) == (["ee8d9e3665", "ee8d9e3665"], "bef02ff22b")


def test_the_digest_knows_no_difference_between_said_and_implied() -> None:
    """Writing a default down changes nothing that a rejection was about."""
    implied = policy_of(_spec())
    said = policy_of(_spec(**implied.manifest()))
    assert said.digest == implied.digest


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"guard": {"duration": "1m"}}, False),
        ({"strategy": {"canary": {"steps": [{"setWeight": 1}]}}}, False),
        ({"analysis": {"metrics": [{"name": "q", "query": "up", "thresholdRange": {"max": "1"}}]}}, False),
        ({"progressDeadlineSeconds": 5}, True),
        ({"scaling": {"minReplicas": 4}}, True),
        ({"runtime": {"image": "triton:2"}}, True),
    ],
    ids=["guard", "strategy", "analysis", "deadline", "scaling", "runtime"],
)
def test_the_digest_is_about_what_a_revision_is_judged_by(change: dict[str, Any], same: bool) -> None:
    """Strategy, analysis and guard make the digest; deadline, scaling and runtime do not."""
    assert (policy_of(_spec(**change)).digest == policy_of(_spec()).digest) is same


@pytest.mark.parametrize(
    ("loading", "deadline"),
    [(None, 600), (540, 600), (541, 601), (3600, 3660)],
    ids=["default", "as long", "longer", "an hour"],
)
def test_a_deadline_that_nobody_set_lets_a_model_load(loading: int | None, deadline: int) -> None:
    """Ten minutes, or the time that a load may take and a minute."""
    runtime = {"image": "triton:1", **({"loadTimeoutSeconds": loading} if loading else {})}
    assert policy_of(_spec(runtime=runtime)).progress_deadline_seconds == deadline


def test_a_rollout_freezes_the_policy() -> None:
    """What a Rollout stores is the policy it was made with."""
    policy = policy_of(_spec())
    raw = _manifest()
    raw["spec"] = {
        "modelDeployment": "fraud",
        "to": {"revision": "fraud-0123456789", "version": "1"},
        "policy": policy.digest,
        **policy.manifest(),
    }
    rollout = parse_rollout(raw)
    assert frozen_policy(rollout.spec) == policy
    assert (rollout.spec.attempt, rollout.status.weight, rollout.status.phase) == (1, 0, "Pending")


def test_errors_name_every_field() -> None:
    """A manifest that slipped past admission is refused with its fields, in one sentence."""
    with pytest.raises(ApiError) as caught:
        _spec(model={"version": "1"}, strategy={"canary": {"steps": [{"setWeight": 5}, {"setWeight": 0}]}})
    assert caught.value.field == "spec.model.storageUri"
    assert str(caught.value) == (
        "spec.model.storageUri: field required; "
        "spec.strategy.canary.steps[1].setWeight: input should be greater than or equal to 1, not 0"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"guard": {"duration": 15}}, "spec.guard.duration: 15 has no unit: write 15s", id="no unit"),
        pytest.param({"guard": {"duration": True}}, "duration: should be a string: write true in quotes", id="no time"),
        pytest.param({"analysis": {"mode": date(2026, 1, 1)}}, 'not "2026-01-01"', id="what YAML takes for a date"),
        pytest.param({"model": {"version": 2}}, "version: should be a string: write 2 in quotes", id="no text"),
        pytest.param({"analysis": {"metrics": []}}, "spec.analysis.metrics: must not be empty", id="an empty list"),
        pytest.param({"analysis": {"mode": "Guess"}}, "'Sequential' or 'Threshold', not \"Guess\"", id="no choice"),
        pytest.param({"analysis": {"interval": "100ms"}}, "interval: '100ms' is shorter than 1s", id="too short"),
    ],
)
def test_errors_say_the_value_and_the_fix(change: dict[str, Any], said: str) -> None:
    """In words of the field's, not of the library that checks it."""
    with pytest.raises(ApiError) as caught:
        _spec(**change)
    assert said in str(caught.value)
    assert "value error" not in str(caught.value)


def test_every_duration_is_known_to_be_one() -> None:
    """A number without a unit is told from a text without quotes by the field's name."""

    def durations(schema: Any) -> Iterator[str]:
        for name, one in schema.get("properties", {}).items():
            inside = one.get("items", one)
            rules = "".join(rule["rule"] for rule in one.get("x-kubernetes-validations", ()))
            yield from (name,) if one["type"] == "string" and GO_DURATION in rules else durations(inside)

    schema = yaml.safe_load((ROOT / "crds" / "modeldeployments.yaml").read_text())["spec"]["versions"][0]["schema"]
    assert set(durations(schema["openAPIV3Schema"]["properties"]["spec"])) == DURATIONS


def test_a_manifest_without_a_name_is_no_manifest() -> None:
    """Nothing is guessed about an object without a name."""
    with pytest.raises(ApiError, match=r"metadata\.name: is missing"):
        parse_rollout({})


@pytest.mark.parametrize(
    ("text", "value"),
    [("500ms", 0.5), ("5s", 5), ("5m", 300), ("1h30m", 5400), ("1.5h", 5400), ("0s", 0)],
)
def test_reads_durations(text: str, value: float) -> None:
    """Go durations become seconds."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "-5m", "1d", "5 m", "5m\n", "1234567s"])
def test_refuses_what_is_no_duration(text: str) -> None:
    """What Go would not read as a positive duration is an error."""
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.05", 0.05), ("5%", 0.05), ("250ms", 0.25), ("2s", 2), ("-1", -1), ("10us", 0.00001)],
)
def test_reads_thresholds(text: str, value: float) -> None:
    """Thresholds become ratios, seconds or plain numbers."""
    assert in_base_units(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "low", "5h", "5 %", "5%\n", "0x5"])
def test_refuses_what_is_no_threshold(text: str) -> None:
    """A threshold without a number or with an unknown unit is an error."""
    with pytest.raises(ValueError, match="is not a threshold"):
        in_base_units(text)


def test_reads_quantities_as_kubernetes_does() -> None:
    """`cpu: 2` and `cpu: "2"` are the same wish, and the same revision."""
    number, text = (_spec(runtime={"image": "t", "resources": {"requests": {"cpu": cpu}}}) for cpu in (2, "2"))
    assert number == text


def test_long_messages_are_cut() -> None:
    """A status must get through, however much Triton has to say."""
    words = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "ModelFailed"}
    condition = Condition.parse({**words, "message": "x" * 5000})
    assert len(condition.message) == 1024
    assert len(condition.model_copy(update={"message": "y" * 5000}).manifest()["message"]) == 1024
