"""What came of the demo, as sentences and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from serinus.core.model.timestamps import from_rfc3339
from serinus_local.demo.answers import BAD, Tally
from serinus_local.demo.watching import Manifest


@dataclass(frozen=True)
class Summary:
    """The numbers; the field names are those of the JSON."""

    promoted: str
    reverted: str
    aborted: str
    seconds_first_bad_answer_to_weight_zero: float
    seconds_first_bad_answer_to_weight_zero_in_status: float
    seconds_first_to_last_bad_answer: float
    seconds_to_first_answer: float
    bad_answers_served: int
    requests_total: int
    other_failed_requests: int

    def write(self, file: Path) -> None:
        """Write the JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def __str__(self) -> str:
        return "\n".join(
            (
                f"promoted: version {self.promoted}; reverted: {self.reverted}; aborted: {self.aborted}",
                f"first answer after {self.seconds_to_first_answer:.1f} s",
                f"from the first bad answer to weight 0: {self.seconds_first_bad_answer_to_weight_zero:.2f} s "
                f"(in the Rollout's status {self.seconds_first_bad_answer_to_weight_zero_in_status:.2f} s, "
                f"last bad answer {self.seconds_first_to_last_bad_answer:.2f} s after the first)",
                f"bad answers served: {self.bad_answers_served} of {self.requests_total} requests",
                f"requests failed for any other reason: {self.other_failed_requests}",
            )
        )


def summarise(tally: Tally, ended: Mapping[str, Manifest], *, first_answer: float) -> Summary:
    """Put together what the client saw and what the Rollouts say; `ended` maps an end to its Rollout.

    Weight 0 is reached when both say so: the status, and the last answer that the bad version gave, good or bad.
    """
    reverted = ended["Reverted"]
    status = reverted["status"]
    version = reverted["spec"]["to"]["version"]
    stored = from_rfc3339(status["weightChangedAt"])
    first, last = tally.first_bad or stored, tally.last_bad or stored
    gone = max(stored, last, tally.last_of.get(version, 0.0))
    return Summary(
        promoted=_version(ended["Succeeded"]),
        reverted=version,
        aborted=_version(ended["Aborted"]),
        seconds_first_bad_answer_to_weight_zero=round(gone - first, 3),
        seconds_first_bad_answer_to_weight_zero_in_status=round(stored - first, 3),
        seconds_first_to_last_bad_answer=round(last - first, 3),
        seconds_to_first_answer=round(first_answer, 1),
        bad_answers_served=tally.bad,
        requests_total=tally.total,
        other_failed_requests=tally.failed,
    )


def complaint(tally: Tally) -> str:
    """Say what the client has to complain about, beyond the bad version's answers; nothing when all is well."""
    if tally.bad == 0:
        return f"version 3 gave no bad answer ({BAD!r}), so its revert proves nothing"
    if tally.failed:
        return f"{tally.failed} requests failed for reasons other than the bad model: {'; '.join(tally.failures)}"
    return ""


def _version(rollout: Manifest) -> str:
    version: str = rollout["spec"]["to"]["version"]
    return version
