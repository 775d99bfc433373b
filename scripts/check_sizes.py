"""Holds the sizes of docs/architecture.md: no function over 60 lines, no file over 400."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

FUNCTION_LINES = 60
FILE_LINES = 400


def too_large(path: Path) -> Iterator[str]:
    """Name what is too large in a file."""
    text = path.read_text()
    lines = text.count("\n")
    if lines > FILE_LINES:
        yield f"{path}: {lines} lines, {FILE_LINES} at most: a room that holds two things?"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {size} lines, {FUNCTION_LINES} at most"


def main(roots: list[str]) -> int:
    """Check every Python file below the roots; 1 when something is too large."""
    problems = [problem for root in roots for path in sorted(Path(root).rglob("*.py")) for problem in too_large(path)]
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
