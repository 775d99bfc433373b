"""JSON Patch (RFC 6902) as far as the commands use it, for clusters that are doubles."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json


def patched(manifest: Json, operations: Iterable[Json]) -> Json:
    """Apply operations to a copy; as strict as an API server about paths that are not there."""
    result = copy.deepcopy(manifest)
    for operation in operations:
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place = result
        for parent in parents:
            place = place[parent]
        match operation["op"]:
            case "test" if place[last] != operation["value"]:
                raise Refused(f"testing value {operation['path']} failed")
            case "remove":
                del place[last]
            case "replace":
                assert last in place
                place[last] = operation["value"]
            case "add":
                place[last] = operation["value"]
    return result
