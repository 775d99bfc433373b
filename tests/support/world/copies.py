"""Many ModelDeployments that are all like `fraud`, as an API server would hold them: no time need pass for each."""

from __future__ import annotations

import json
import re

from serinus.core.model.identity import Key
from serinus.core.model.kinds import kind_of
from tests.support.world.world import KEY, World


def copy_of_all(world: World, number: int) -> list[Key]:
    """Store all that belongs to `fraud` so many times more, under other names and uids; give the new keys.

    The marks of what was rendered for `fraud` are wrong on its copies: the first pass over each writes its children.
    """
    whole = [(place, json.dumps(one)) for place, one in world.api.objects.items() if place[1] == KEY.namespace]
    keys = [Key(KEY.namespace, f"copy-{count}") for count in range(number)]
    for count, key in enumerate(keys):
        for (kind, namespace, name), text in whole:
            renamed = re.sub(rf"\b{KEY.name}\b", key.name, re.sub(r'"uid-(\d+)"', rf'"uid-\1-{count}"', text))
            one = json.loads(renamed)
            one["metadata"]["resourceVersion"] = str(next(world.api._versions))
            world.api.objects[kind, namespace, name.replace(KEY.name, key.name)] = one
            assert kind_of(one) == kind
    return keys
