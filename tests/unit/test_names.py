"""One name for one thing: what the source of the operator calls by one name is one thing, and is written down once."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "operator"
TWO_OF_A_NAME: dict[str, str] = {}
"""Public classes that may share a name, each with the reason."""


PACKAGES = pytest.mark.parametrize("package", ["serinus", "serinus_serving"])
"""Each is a program, or several, that know nothing of each other."""


def modules(package: str) -> dict[str, ast.Module]:
    """Parse every module of a package; by its dotted name."""
    files = sorted((SOURCE / package).rglob("*.py"))
    dotted = (".".join(file.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for file in files)
    return {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in zip(dotted, files, strict=True)}


def constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Give the constants of a module, each with its value as it is written; a type variable is no constant."""
    for node in module.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            yield from paired(target, node.value)


def paired(target: ast.expr, value: ast.expr | None) -> Iterator[tuple[str, str]]:
    """Pair names with values, in `A, B = 1, 2` too."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, its in zip(target.elts, value.elts, strict=True):
            yield from paired(one, its)
    elif isinstance(target, ast.Name) and target.id.isupper() and value is not None:
        written = ast.unparse(value)
        if not written.startswith("TypeVar("):
            yield target.id.lstrip("_"), written


def imported(name: str, module: ast.Module, known: set[str]) -> set[str]:
    """Name the modules that a module imports, at its top, within functions, and for types alone."""
    found = set()
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} & known or {node.module}
    return (found & known) - {name}


@PACKAGES
def test_no_two_classes_share_a_name(package: str) -> None:
    """A reader who meets a class need not ask which one."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for name, module in modules(package).items():
        for node in module.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(name)
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert twice.keys() == TWO_OF_A_NAME.keys(), twice


@PACKAGES
def test_no_constant_is_written_down_twice(package: str) -> None:
    """Whoever changes one changes it everywhere."""
    places: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, module in modules(package).items():
        for constant in constants(module):
            places[constant].append(name)
    assert {constant: where for constant, where in places.items() if len(where) > 1} == {}


@PACKAGES
def test_no_module_imports_itself_by_a_detour(package: str) -> None:
    """Modules can be read in an order: each after those that it stands on."""
    parsed = modules(package)
    left = {name: imported(name, module, set(parsed)) for name, module in parsed.items()}
    while ready := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in ready}
    assert left == {}
