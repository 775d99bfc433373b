"""Somebody else's words, made fit to be shown: one line, short, and without what looks like a secret.

A model server may repeat in an answer what it was sent or configured with. Messages, Events and logs are read by many.
"""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "…"
_REQUEST_ID: Final = re.compile(r"^\[request id: [^\]]*\]\s*")
_CONFIDENTIAL: Final = (
    r"[\w-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|authorization|credential|signature|"
    r"cookie)[\w-]*['\"]?\s*[:=]\s*"
)
_VALUE: Final = r"'[^']*'|\"[^\"]*\"|[^\s'\",;)}]+"
_SECRETS: Final = (
    (re.compile(r"://[^/\s@]+@"), f"://{HIDDEN}@"),
    (re.compile(r"(\w://[^\s?'\"]+\?)[^\s'\"]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{6,}", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(rf"({_CONFIDENTIAL})({_VALUE})", re.IGNORECASE), rf"\1{HIDDEN}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+(\.[\w-]*)?"), HIDDEN),
    (re.compile(r"-----BEGIN [A-Z ]+-----.*"), HIDDEN),
    # Keys as they are handed out: letters and digits in one go.
    (re.compile(r"\b(?=[A-Za-z+/]*\d)(?=[\d+/]*[A-Za-z])[A-Za-z0-9+/]{24,}={0,2}"), HIDDEN),
    (re.compile(r"\bA[KS]IA[0-9A-Z]{16}\b"), HIDDEN),
)


def plain_words(text: str, most: int) -> str:
    """Give the first words of a text, at most so many characters."""
    # What is long is cut first: patterns are not run over a megabyte.
    begin = "".join(char if char.isprintable() else " " for char in text[: 4 * most])
    words = _REQUEST_ID.sub("", " ".join(begin.split()))
    for pattern, shown in _SECRETS:
        words = pattern.sub(shown, words)
    if len(words) <= most and len(text) <= 4 * most:
        return words
    whole, _, _ = words[:most].rpartition(" ")
    return f"{(whole or words[: most - 1])[: most - 1].rstrip(' ,;:')}{HIDDEN}"
