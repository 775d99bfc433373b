"""Two ModelDeployments of one model and runtime share the hash, and Triton's series of one are none of the other."""

from __future__ import annotations

import pytest

from serinus.core.analysis.exposition import read_triton, read_vllm
from serinus.core.analysis.own_pods import told_apart
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series

FRAUD, COPY = Arm("ml", "fraud", "8f1c", "fraud-8f1c"), Arm("ml", "copy", "8f1c", "copy-8f1c")
ELSEWHERE = Arm("shop", "fraud", "8f1c", "fraud-8f1c")


def counted(**labels: str) -> dict[str, float]:
    """Count ten requests of a series, by the ModelDeployment that they are taken to be of."""
    read = read_vllm if labels.get("__name__", "").startswith("vllm:") else read_triton
    all_of = {
        "__name__": "nv_inference_request_success",
        "namespace": "ml",
        "revision": "8f1c",
        "instance": "a",
        **labels,
    }
    tallies, arms = Tallies(read, keep_s=60), (FRAUD, COPY, ELSEWHERE)
    series = told_apart([Series(all_of, ((1.0, 5.0), (2.0, 15.0)))], arms)
    tallies.ingest(series, [(arm.namespace, arm.pods) for arm in arms], 2.0)
    found = {f"{arm.namespace}/{arm.name}": tallies.totals((arm.namespace, arm.pods), 0.0).success for arm in arms}
    return {name: requests for name, requests in found.items() if requests}


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param({"modeldeployment": "fraud"}, ["ml/fraud"], id="the label tells"),
        pytest.param({"modeldeployment": "third"}, [], id="somebody else's, by the label"),
        pytest.param({"pod": "copy-8f1c-5d9b-x7x2k"}, ["ml/copy"], id="the pod's name tells"),
        pytest.param({"pod": "third-8f1c-5d9b-x7x2k"}, [], id="somebody else's, by the pod's name"),
        pytest.param({"pod": "prometheus-0"}, ["ml/fraud", "ml/copy"], id="nothing tells: believed"),
        pytest.param({"revision": "other"}, [], id="another revision"),
        pytest.param({"namespace": "shop"}, ["shop/fraud"], id="another namespace"),
        pytest.param({"__name__": "vllm:request_success_total", "pod": "copy-8f1c-5d9b-x7x2k"}, ["ml/copy"], id="vLLM"),
    ],
)
def test_a_series_counts_for_its_own_model_deployment(labels: dict[str, str], names: list[str]) -> None:
    """An A/B test that counted the other's requests would end wrongly, and nobody would know."""
    assert counted(**labels) == dict.fromkeys(names, 10.0)


def test_what_names_a_service_stays_as_it_is() -> None:
    """A gateway's series say whose they are by the Service, whatever they call a revision."""
    one = Series({"__name__": "istio_requests_total", "revision": "8f1c"}, ((1.0, 5.0),))
    assert list(told_apart([one], (FRAUD,))) == [one]
