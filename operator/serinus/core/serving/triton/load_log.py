r"""Triton's reason for a failed load, out of the last lines of its log.

Recorded from Triton 2.51: a failure is one line that ends in a quoted text with `\n` escaped; before 2.46 it was plain
text over several lines. The kubelet keeps at most 2,048 bytes, so a reason may have lost its beginning.
"""

from __future__ import annotations

import re

_PREFIX = r"^[EIW]\d{4} [\d:.]+ \d+ \w+\.cc:\d+\] +"
_ESCAPED = {"\\n": "\n", '\\"': '"', "\\t": "\t", "\\\\": "\\"}

_LOAD_FAILURES = tuple(
    re.compile(rf"{_PREFIX}\"?{form}(?P<reason>.*)", re.MULTILINE)
    for form in (
        r"failed to load '(?P<model>[^']*)' version \d+: ",
        r"failed to load model '[^']*': ",
        r"Poll failed for model directory '[^']*': ",
        r"Failed to (?:pre)?initialize Python stub(?: for auto-complete)?: ",
    )
)
_REPOSITORY_FAILURE = re.compile(
    r"^E\d{4} [\d:.]+ \d+ model_(?:repository_manager|lifecycle)\.cc:\d+\] +\"?(?P<reason>.*)", re.MULTILINE
)
"""Whatever else keeps a model out: an ensemble that misses a model, a tensor that none of its steps makes, a circle."""
_CUT_OFF = re.compile(r'\A(?P<reason>[^\n]{600,}\S)"\n')
"""The end of a line that is longer than what was kept: an ensemble repeats all that its model had to say."""
_CONFIG_ERROR = re.compile(r"Error parsing text-format inference\.ModelConfig: (?P<detail>.*)")
_SERVER_FAILURE = re.compile(r"^error: creating server: (?P<reason>.*)", re.MULTILINE)
_TELLING = 300
"""How much of a line without a beginning is repeated: errors end with what is the matter."""
_ALL_FAILED = "failed to load all models"
_STATUS_ROW = re.compile(r"^\| (?P<model>[^|]*)\| (?P<version>[^|]*)\| (?P<status>.*?)\s*\|$", re.MULTILINE)
_FRAME = re.compile(r"At:\s+(?P<frame>\S.*)")


def load_failure(log: str) -> str | None:
    """Find Triton's reason; None when the log tells none."""
    for form in _LOAD_FAILURES:
        matches = list(form.finditer(log))
        if matches:
            found = matches[-1]
            return _part_of_ensemble(found, log) + _with_place(found["reason"], log[found.end() :]) + _config_error(log)
    return _from_repository(log) or _from_table(log) or _from_server(log) or _from_cut_off(log)


def _part_of_ensemble(found: re.Match[str], log: str) -> str:
    """Name the model when it is not the one that is served, but one that it is made of."""
    model = found.groupdict().get("model")
    return f"model '{model}' of the ensemble: " if model and f"depends on '{model}'" in log else ""


def _from_repository(log: str) -> str | None:
    """Take the last line of what manages the models."""
    matches = list(_REPOSITORY_FAILURE.finditer(log))
    return _with_place(matches[-1]["reason"], "") if matches else None


def _from_cut_off(log: str) -> str | None:
    cut = _CUT_OFF.match(log) if gave_up(log) else None
    return f"… {_unescaped(cut['reason'])[-_TELLING:].strip()}" if cut else None


def gave_up(log: str) -> bool:
    """Tell whether Triton ended because of a model, whatever its reason."""
    return _ALL_FAILED in log


def _with_place(reason: str, after: str) -> str:
    """Add the innermost frame of a Python traceback to its message: it names the line that raised."""
    text = _unescaped(reason).strip().removesuffix('"')
    message, found, _ = text.partition("\n")
    frame = _FRAME.search(text if found else after.partition("\n\n\n")[0])
    follows = found or after.lstrip("\n").startswith("At:")
    return f"{message.strip()} at {frame['frame'].strip()}" if frame and follows else message.strip()


def _config_error(log: str) -> str:
    match = _CONFIG_ERROR.search(log)
    return f" (config.pbtxt {match['detail'].strip()})" if match else ""


def _from_table(log: str) -> str | None:
    """Read the table of models, in which a long status goes on in rows that name no model."""
    status: list[str] = []
    for row in _STATUS_ROW.finditer(log):
        if row["status"].startswith("UNAVAILABLE"):
            status = [row["status"].removeprefix("UNAVAILABLE: ")]
        elif status and not row["model"].strip():
            status.append(row["status"])
    return _with_place("\n".join(status), "") if status else None


def _from_server(log: str) -> str | None:
    match = _SERVER_FAILURE.search(log)
    return match["reason"].strip() if match and _ALL_FAILED not in match["reason"] else None


def _unescaped(text: str) -> str:
    return re.sub(r'\\[nt"\\]', lambda match: _ESCAPED[match[0]], text)
