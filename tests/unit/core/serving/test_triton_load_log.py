"""Triton's reason for a failed load, out of recorded logs."""

from __future__ import annotations

import pytest

from serinus.core.serving.triton.load_log import gave_up, load_failure
from tests.unit.core.plan.diagnosis.given import kept, log


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param(
            "python-import",
            "Internal: ModuleNotFoundError: No module named 'lightgbm' at /models/fraud/1/model.py(1): <module>",
            id="an import fails",
        ),
        pytest.param(
            "python-syntax", "Internal: SyntaxError: invalid syntax (model.py, line 1)", id="a syntax error, no frames"
        ),
        pytest.param(
            "python-initialize",
            "Internal: RuntimeError: weights.npz: expected 12 features, got 11 "
            "at /models/fraud/1/model.py(3): initialize",
            id="initialize raises",
        ),
        pytest.param(
            "no-backend",
            "Invalid argument: unable to find backend library for backend 'onnxruntime', "
            "try specifying runtime on the model configuration.",
            id="the image has no such backend",
        ),
        pytest.param(
            "bad-config",
            "failed to read text proto from /models/fraud/config.pbtxt "
            '(config.pbtxt 6:9: Message type "inference.ModelConfig" has no field named "nonsense".)',
            id="config.pbtxt does not parse",
        ),
        pytest.param(
            "other-name",
            "unexpected directory name 'fraud' for model 'other', directory name must equal model name",
            id="config.pbtxt names another model",
        ),
        pytest.param(
            "no-version",
            "at least one version must be available under the version policy of model 'fraud'",
            id="no version folder",
        ),
        pytest.param("no-file", "Python model file not found in '/models/fraud/1/model.py'", id="no model.py"),
        pytest.param("stub-killed", "Internal: Stub process 'fraud_0' is not healthy.", id="the Python process dies"),
        pytest.param("no-repository", "Internal - failed to stat file /models", id="no repository"),
        pytest.param(
            "plain-2.40",
            "Internal: ImportError: libgomp.so.1: cannot open shared object file "
            "at /models/fraud/1/model.py(3): <module>",
            id="an older Triton, over several lines",
        ),
        pytest.param(
            "ensemble-part",
            "model 'features' of the ensemble: Internal: ModuleNotFoundError: No module named 'lightgbm' "
            "at /models/features/1/model.py(1): <module>",
            id="a model of an ensemble",
        ),
        pytest.param(
            "ensemble-missing",
            "Invalid argument: ensemble fraud contains models that are not available or ambiguous: features",
            id="an ensemble without one of its models",
        ),
        pytest.param(
            "ensemble-tensor",
            "Invalid argument: in ensemble fraud, ensemble tensor SCORE: inconsistent data type: TYPE_FP32 is inferred "
            "from model fraud while TYPE_FP64 is inferred from model scores",
            id="an ensemble whose tensors do not fit",
        ),
        pytest.param(
            "table-only",
            "Internal: ModuleNotFoundError: No module named 'lightgbm' at /models/fraud/1/model.py(1): <module>",
            id="the table of models alone",
        ),
    ],
)
def test_tritons_reason_is_found_in_what_the_kubelet_keeps(name: str, reason: str) -> None:
    assert load_failure(kept(log(name))) == reason


def test_of_a_line_that_is_longer_than_what_is_kept_the_end_is_told() -> None:
    """An ensemble repeats the whole trace of the model that it misses."""
    reason = load_failure(kept(log("ensemble-long")))
    assert reason is not None
    assert reason.startswith("… ")
    assert reason.endswith("ValueError: 12 features, not 11;")


def test_at_the_info_level_the_reason_is_beyond_what_the_kubelet_keeps() -> None:
    """This is why pods run with --log-info=false."""
    whole = log("info-level")
    assert load_failure(whole) is not None
    assert load_failure(kept(whole)) is None
    assert gave_up(kept(whole))


@pytest.mark.parametrize("text", ["", "Killed", "error: something else"], ids=["nothing", "one word", "another error"])
def test_a_log_without_a_reason_tells_none(text: str) -> None:
    assert load_failure(text) is None
    assert not gave_up(text)
