"""The models of a soak: each answers with its pod's name, and a bad version fails by itself once it is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence

from serinus_local.demo.watching import Manifest
from tests.e2e import given

BAD = "x[0, 0] == 2"
"""True of what the load sends and not of what the probe sends."""
REPLICAS = 2
STEPS: tuple[Manifest, ...] = ({"setWeight": 50},)
HELD = (*STEPS, {"pause": {}})
"""Steps of a version that stays at half of the weight until another one is committed."""
ANALYSIS: Manifest = {"mode": "Threshold"}
"""Half of the load of a model shows within a second or two what a limit is to find; no test is to be waited for."""
POD_OUTPUT = 'output [{ name: "POD", data_type: TYPE_STRING, dims: [ 1 ] }]\ninstance_group'
ANSWER = "return triton.InferenceResponse(["
WITH_POD = ANSWER + "triton.Tensor('POD', np.array([__import__('os').environ['HOSTNAME']], dtype=object)), "


def version(name: str, number: int, *, routing: str, bad: bool = False, steps: Sequence[Manifest] = STEPS) -> str:
    """Render one version of a model."""
    manifest = json.loads(
        given.version(
            name,
            number,
            fails=BAD if bad else given.GOOD,
            steps=steps,
            guard="0s",
            replicas=REPLICAS,
            analysis=ANALYSIS,
            routing=routing,
        )
    )
    files = manifest["items"][0]["data"]
    files["config.pbtxt"] = files["config.pbtxt"].replace("instance_group", POD_OUTPUT)
    files["model.py"] = files["model.py"].replace(ANSWER, WITH_POD)
    return json.dumps(manifest)
