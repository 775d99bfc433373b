"""The whole stack, once; a namespace for the tests; and after each test a look into the operator's log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serinus_local import stack as local
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.namespaces import namespace


@pytest.fixture(scope="session")
def cluster(stack: local.Stack) -> Iterator[Cluster]:
    """Give a namespace of the stack with a Gateway of its own; it goes away with everything in it."""
    with namespace(stack, given.NAMESPACE):
        yield Cluster(stack)


@pytest.fixture(scope="module")
def operator_process(stack: local.Stack) -> Iterator[None]:
    """Run the operator as a process, which can be killed and started again at once: the kubelet waits ever longer."""
    before = stack.operator.way
    stack.operator.run("process")
    yield
    stack.operator.run(before)


@pytest.fixture(autouse=True)
def clean_log(stack: local.Stack) -> Iterator[None]:
    """Fail a test in which the operator met an error that it did not expect, or a right that the chart lacks."""
    before = {file: file.stat().st_size for file in stack.operator.current.log_files()}
    yield
    said = [line for file in stack.operator.current.log_files() for line in _lines(file, before.get(file, 0))]
    assert [line for line in said if "Traceback" in line or _lacks_a_right(line)] == []


def _lacks_a_right(line: str) -> bool:
    """Tell the API server's refusal from a store's, which is a reason that users are shown."""
    return "orbidden" in line and "ArtifactDenied" not in line


def _lines(file: Path, skipped: int) -> list[str]:
    with file.open("rb") as log:
        log.seek(skipped)
        return log.read().decode(errors="replace").splitlines()
