"""setHeaderRoute: a cohort sees the canary, by a header or a cookie, before or beside everybody's share.

As in Argo Rollouts any one match is enough. Matches add up, so that no step takes the canary from anybody.
"""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.canary_scale import CanaryScale
from serinus.api.header_route import HeaderRoute
from serinus.core.model.exposure import Exposure
from serinus.core.model.matches import Match, read_match
from serinus.core.rollout.question import Question
from serinus.core.rollout.records import Cause


@dataclass(frozen=True)
class HeaderRouteVerb:
    """The requests of a cohort; nobody waits for those of a preview."""

    matches: tuple[Match, ...]
    preview: bool = False
    for_people: bool = False
    scale: CanaryScale | None = None

    @property
    def text(self) -> str:
        return f"{'preview' if self.preview else 'setHeaderRoute'} {' or '.join(match.text for match in self.matches)}"

    def shows(self, before: Exposure) -> Exposure:
        return before if before.is_full else before.matching(self.matches)

    def waits(self, question: Question) -> Cause | None:
        return None

    def ends_at(self, began: float | None) -> float | None:
        return None

    def tells(self, question: Question) -> Cause | None:
        return None


def read_header_route(wish: HeaderRoute) -> HeaderRouteVerb:
    """Read the step."""
    return HeaderRouteVerb(tuple(read_match(one) for one in wish.match), preview=bool(wish.preview))
