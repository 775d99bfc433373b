"""How the stack's Go programs are named and pinned."""

from __future__ import annotations

import re

import pytest

from serinus_local.build import KUBERNETES_VERSION, MODULE, PROGRAMS

BUILT_AS = {
    "etcd": "server",
    "kube-apiserver": "kube-apiserver",
    "pilot-discovery": "pilot-discovery",
    "pause": "pause",
}


@pytest.mark.parametrize(("name", "file"), BUILT_AS.items(), ids=list(BUILT_AS))
def test_go_names_a_program_by_the_last_element_that_is_no_version(name: str, file: str) -> None:
    """A program is found under the name that `go build` gives it, and kept under our own."""
    assert next(program for program in PROGRAMS if program.name == name).built_as == file


def test_no_program_overwrites_another() -> None:
    """All programs are built into one folder, so no two may come out of the compiler with the same name."""
    files = [program.built_as for program in PROGRAMS]

    assert len(set(files)) == len(files)


def test_every_staging_module_is_at_the_release_of_kubernetes() -> None:
    """What the programs say of their version is what they are built from, whatever others of the module ask for."""
    replaced = re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ (\S+)$", (MODULE / "go.mod").read_text(), re.MULTILINE)

    assert set(replaced) == {KUBERNETES_VERSION.replace("v1.", "v0.")}
