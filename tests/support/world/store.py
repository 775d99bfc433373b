"""A store of models, and what `serinus-fetch` would tell of them in a pod."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from serinus.core.model.kinds import Json
from serinus.core.plan.fetched import CONTAINER


def digest_of(word: str) -> str:
    """Give the digest of files that a test calls by one word."""
    return f"sha256:{word.encode().hex():0<64}"[:71]


@dataclass
class ModelStore:
    """Which bytes lie at which reference now, by a word; a reference that is not there is not found."""

    holds: dict[str, str] = field(default_factory=dict)
    stands_for: dict[str, str] = field(default_factory=dict)
    """What a reference that moves, such as an alias, stands for now."""

    def fetch(self, container: Json, pin: Json | None) -> Json:
        """Tell the status of an init container that has just ended, with what the pod's volume held when it began."""
        asked_for, options = container["args"][0], container["args"][2:]
        uri = (pin or {}).get("data", {}).get("resolved") or self.stands_for.get(asked_for, asked_for)
        asked = next((one.partition("=")[2] for one in options if one.startswith("--digest=")), None)
        pinned = (pin or {}).get("data", {}).get("digest")
        found = digest_of(self.holds[uri]) if uri in self.holds else None
        told = {"resolved": uri, "digest": found, "bytes": 10}
        if found is None:
            told = {"reason": "ArtifactNotFound", "message": f"nothing lies at {uri}: check the path"}
        elif found != (pinned or found):
            told = {"reason": "ArtifactChanged", "message": f"{uri} is {found} now, and was {pinned}"}
        elif found != (asked or found):
            told = {"reason": "ArtifactDigestMismatch", "message": f"{uri} is {found}, and {asked} was asked for"}
        end = {"exitCode": 1 if "reason" in told else 0, "message": json.dumps(told)}
        return {"name": CONTAINER, "ready": "reason" not in told, "state": {"terminated": end}}
