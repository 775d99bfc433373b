"""Which requests a route admits, matched as Envoy does: whole paths, case-sensitive, after its normalisation."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
import re2

from serinus.core.model.matches import By
from serinus.core.serving.interface import Path
from serinus.core.traffic.paths import few, grpc_paths, http_paths


def admits(wanted: Iterable[Path], path: str) -> bool:
    """Match a path, from which Envoy has taken the query; fewer paths must admit the very same."""
    path, paths = path.partition("?")[0], tuple(wanted)
    admitted = any(_holds(each, path) for each in paths)
    assert admitted == any(_holds(each, path) for each in few(paths))
    return admitted


def _holds(wanted: Path, path: str) -> bool:
    return {
        By.EXACT: path == wanted.value,
        By.PREFIX: path.startswith(wanted.value),
        By.REGEX: wanted.by is By.REGEX and re.fullmatch(wanted.value, path) is not None,
    }[wanted.by]


@pytest.mark.parametrize(
    "path",
    [
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/fraud",
        "/v2/models/fraud/infer",
        "/v2/models/fraud/infer?timeout=5",
        "/v2/models/fraud/generate",
        "/v2/models/fraud/generate_stream",
        "/v2/models/fraud/ready",
        "/v2/models/fraud/config",
        "/v2/models/fraud/stats",
        "/v2/models/stats",
        "/v2/models/fraud/versions/1",
        "/v2/models/fraud/versions/42/infer",
        "/v2/models/fraud/versions/1/stats",
        "/v2/models/Fraud_v2.onnx-fp16/infer",
    ],
)
def test_inference_metadata_statistics_and_health_are_admitted(path: str) -> None:
    """Triton's own HTTP paths; the server answers for models that it does not have."""
    assert admits(http_paths(all_paths=False), path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/metrics",
        "/v2/",
        "/v1/models/fraud:predict",
        "/v2/logging",
        "/v2/trace/setting",
        "/v2/models/fraud/trace/setting",
        "/v2/models/fraud/versions/1/trace/setting",
        "/v2/repository/index",
        "/v2/repository/models/fraud/load",
        "/v2/repository/models/fraud/unload",
        "/v2/systemsharedmemory/status",
        "/v2/systemsharedmemory/region/r/register",
        "/v2/cudasharedmemory/region/r/register",
        "/v2/models/../repository/index",
        "/v2/models/fraud/../../repository/models/fraud/unload",
        "/v2/models/..",
        "/v2/models/%2e%2e/repository/index",
        "/v2/models/..%2Frepository%2Findex",
        "/v2/models/%2E%2E%2Frepository%2Findex",
        "/v2//repository/index",
        "//v2/models/fraud/infer",
        "/v2/models//infer",
        "/v2/models/fraud/infer/../../../logging",
        "/v2/models/fraud/infer/",
        "/v2/models/fraud/inference",
        "/v2/models/fraud;x/infer",
        "/v2/models/fraud/versions/latest/infer",
        "/v2/models/fraud\n/infer",
        "/V2/repository/index",
        "/V2/Models/fraud/infer",
        "/v2/health/readyz",
        "/xv2/models/fraud/infer",
    ],
)
def test_nothing_of_the_servers_administration_is_admitted(path: str) -> None:
    """Nor what another reading of the path could turn into it."""
    assert not admits(http_paths(all_paths=False), path)


INFERENCE, HEALTH = "/inference.GRPCInferenceService/", "/grpc.health.v1.Health/"


@pytest.mark.parametrize(
    "method",
    [
        "ModelInfer",
        "ModelStreamInfer",
        "ServerLive",
        "ServerReady",
        "ModelReady",
        "ServerMetadata",
        "ModelMetadata",
        "ModelConfig",
        "ModelStatistics",
    ],
)
def test_grpc_has_the_same_methods(method: str) -> None:
    """Each by its whole name."""
    matches = grpc_paths(all_paths=False)
    assert admits(matches, f"{INFERENCE}{method}")
    assert not admits(matches, f"{INFERENCE}{method}s")
    assert not admits(matches, f"{INFERENCE}{method.lower()}")


def test_grpc_health_checks_are_admitted() -> None:
    """The standard service's, which Triton serves beside its own."""
    assert admits(grpc_paths(all_paths=False), f"{HEALTH}Check")


@pytest.mark.parametrize(
    "method",
    [
        "",
        "RepositoryIndex",
        "RepositoryModelLoad",
        "RepositoryModelUnload",
        "TraceSetting",
        "LogSettings",
        "SystemSharedMemoryStatus",
        "SystemSharedMemoryRegister",
        "SystemSharedMemoryUnregister",
        "CudaSharedMemoryStatus",
        "CudaSharedMemoryRegister",
        "CudaSharedMemoryUnregister",
    ],
)
def test_grpc_admits_no_administration_unless_asked(method: str) -> None:
    """Neither by its own rule nor by that of HTTP."""
    path = f"{INFERENCE}{method}"
    assert not admits([*grpc_paths(all_paths=False), *http_paths(all_paths=False)], path)
    assert admits(grpc_paths(all_paths=True), path)


def test_http_has_no_match_when_every_path_is_asked_for() -> None:
    """A rule without a match is everything's."""
    assert http_paths(all_paths=True) == ()


REGEXES = [
    path.value
    for all_paths in (False, True)
    for paths in (http_paths(all_paths=all_paths), grpc_paths(all_paths=all_paths))
    for path in few(paths)
    if path.by is By.REGEX
]
MOST_INSTRUCTIONS = 100
"""Envoy's default (`re2.max_program_size.error_level`); a route with a larger regex is refused, and its whole table."""


@pytest.mark.parametrize("regex", REGEXES)
def test_no_regex_is_larger_than_envoy_takes(regex: str) -> None:
    """Measured by the very library that Envoy has."""
    assert re2.compile(regex).programsize <= MOST_INSTRUCTIONS
