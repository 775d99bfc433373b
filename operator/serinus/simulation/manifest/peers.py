"""The rules of other tools beside a manifest's own: the same traffic and weights, judged once a minute (`peers`).

A step is given the five minutes that a rule of that kind needs, where the manifest's own pause is shorter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.state import Bools
from serinus.simulation.manifest.subject import PlannedStage
from serinus.simulation.manifest.traffic import Sample
from serinus.simulation.peers import PEERS
from serinus.simulation.traffic import Scrape

COMPARED: Final = ("Argo 95/3 pass", "Argo 99/0", "Flagger")
SHORTEST_STEP_S: Final = 300.0


def peer_stages(stages: Sequence[PlannedStage]) -> tuple[PlannedStage, ...]:
    """Give the weights with pauses long enough for a look; there is no guard window after 100 %."""
    return (
        *(PlannedStage(stage.weight, max(stage.wait_s, SHORTEST_STEP_S)) for stage in stages[:-1]),
        PlannedStage(100, 0.0),
    )


class PeerJudge:
    """One rule in the place of the product's."""

    def __init__(self, rule: str, runs: int, scrape_s: float) -> None:
        self.method = PEERS[rule](runs, scrape_s)
        self.nothing = np.zeros(runs)

    def reverts(self, t: float, sample: Sample, began: Bools) -> Bools:
        """Judge one scrape: what does not revert may rise."""
        requests = np.stack((sample.n_c, sample.n_s, self.nothing))
        events = np.stack((sample.x_c, sample.x_s, self.nothing))
        return self.method.reverts(t, Scrape(requests, events, self.nothing), began)
