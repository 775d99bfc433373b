"""The whole stack, once; a namespace for the tests; and after each test a look into the operator's log."""

from __future__ import annotations

from collections.abc import Iterator

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


@pytest.fixture(autouse=True)
def clean_log(stack: local.Stack) -> Iterator[None]:
    """Fail a test in which the operator met an error that it did not expect, or a right that the chart lacks."""
    log = stack.log("operator")
    before = log.stat().st_size
    yield
    with log.open("rb") as file:
        file.seek(before)
        said = file.read().decode(errors="replace").splitlines()
    assert [line for line in said if "Traceback" in line or "orbidden" in line] == []
