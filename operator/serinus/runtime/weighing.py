"""Weighs what the looks at many rollouts bring, all at once: the pass of each finds the answer beside its look.

What is weighed is added to the evidence that the last pass has left, look by look, until the next pass takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from serinus.api.canary import Pace
from serinus.api.judging import Mode
from serinus.core.analysis.assess import stays_within
from serinus.core.model.assessment import Look, Stage
from serinus.core.model.identity import Key
from serinus.core.model.values import revised
from serinus.runtime.watch import Watch

if TYPE_CHECKING:
    from serinus.core.analysis.comparison import Foretold

log = structlog.get_logger("serinus.weighing")

FEWEST_TOGETHER: Final = 2
_Taken = tuple[Watch, Look]


@dataclass(frozen=True)
class PutOff:
    """A look that was not taken at a time (s), as it would have changed nothing; scrapes reached up to `until` (s)."""

    at: float
    until: float

    def shown_by(self, later: Look) -> Look:
        """Give what it would have brought: the scrapes of a look that was taken later, as far as they were there."""
        observations = {
            name: revised(seen, increments=tuple(one for one in seen.increments if one.at <= self.until))
            for name, seen in later.observations.items()
        }
        return revised(later, at=self.at, observations=observations)


class Weighing:
    """What looks have brought since the last pass over each rollout, and who is not weighed beside others."""

    def __init__(self) -> None:
        self._foretold: dict[Key, Foretold] = {}
        self.apart: dict[Key, Stage | None] = {}
        """Those that could not be weighed beside others, and in which stage."""

    def forget(self, key: Key) -> None:
        """Drop what is kept for a rollout."""
        self._foretold.pop(key, None)
        self.apart.pop(key, None)

    def together(self, looks: Sequence[_Taken]) -> dict[Key, Look]:
        """Weigh what looks bring, where the evidence that they add to is known; gives these, each with its answer."""
        asked = [(watch, look) for watch, look in looks if self._is_weighed_here(watch)]
        if len(asked) < FEWEST_TOGETHER:
            return {}
        try:
            weighed = self._weighed(asked)
        except Exception:
            log.exception("looks cannot be weighed together")
            weighed = self._one_by_one(asked)
        return {watch.key: self._kept(watch, look, found) for (watch, look), found in zip(asked, weighed, strict=True)}

    def in_full(self, watch: Watch, look: Look, put_off: Sequence[PutOff], now: float) -> Look:
        """Weigh a look that brings all that was put off, and apart what the last one before `now` (s) would have.

        The pass that asks for it ends the stage, and may do so without judging a look: then it goes by the latter.
        """
        if not self._is_weighed_here(watch):
            return look
        found = self._alone(watch, look) if look.weighed is None else self.of(watch)
        if found is None:
            return look
        brought = dict(found.passed_by)
        for one in [one for one in put_off if one.at < now][-1:]:
            if (then := self._alone(watch, one.shown_by(look), anew=True)) is not None:
                brought[one.at] = then.after
        newest = [(at, brought[at]) for at in sorted(brought)[-2:]]
        return self._kept(watch, look, revised(found, passed_by=tuple(newest)))

    def pass_by(self, watch: Watch, look: Look) -> Look:
        """Keep what a look brings for the next pass, also where that ends the stage and judges no look of it."""
        found = self._foretold.get(watch.key)
        if found is None or look.weighed is not found:
            return look
        return self._kept(watch, look, revised(found, passed_by=(*found.passed_by[-1:], (look.at, found.after))))

    def of(self, watch: Watch) -> Foretold | None:
        """Give what looks have brought since the last pass, or nothing: what the tests say is what they have said."""
        found = self._foretold.get(watch.key)
        if found is None or watch.known is None:
            return None
        # Late: numpy is the price of the sequential tests alone.
        from serinus.core.analysis.foretelling import answers

        return found if answers(found, watch.known.gathered, watch.stage) else None

    def go_on(self, watch: Watch) -> None:
        """Keep what the tests have said where a pass has taken in just that."""
        found = self._foretold.pop(watch.key, None)
        if found is None or watch.known is None:
            return
        from serinus.core.analysis.foretelling import going_on

        goes_on = going_on(found, watch.known.gathered, watch.stage)
        if goes_on is not None:
            self._foretold[watch.key] = goes_on

    def stays_safe(self, watch: Watch, look: Look) -> bool:
        """Whether a rollout with which all is well stays Safe with a look."""
        if watch.known is None or watch.stage is None:
            return False
        if not stays_within(look, watch.known, watch.stage, watch.analysis):
            return False
        if watch.analysis.mode is Mode.THRESHOLD or watch.stage.is_of_a_cohort:
            return True
        if look.weighed is None:
            return False
        from serinus.core.analysis.comparison import Foretold
        from serinus.core.analysis.foretelling import stays_safe

        return isinstance(look.weighed, Foretold) and stays_safe(look.weighed, Pace.TIMED)

    def _is_weighed_here(self, watch: Watch) -> bool:
        """Whether it is known what a look adds to, and no pass has to weigh it by itself."""
        known = watch.known is not None and watch.known.gathered is not None and watch.stage is not None
        return known and self.apart.get(watch.key) != watch.stage

    def _kept(self, watch: Watch, look: Look, found: Foretold | None) -> Look:
        if found is not None:
            self._foretold[watch.key] = found
        return revised(look, weighed=found)

    def _weighed(self, looks: Sequence[_Taken], *, anew: bool = False) -> list[Foretold | None]:
        """Add looks to what those before them have brought; `anew` to what the last pass has left."""
        # Late: numpy is the price of the sequential tests alone.
        from serinus.core.analysis.foretelling import Unjudged, foretell

        return foretell(
            [
                Unjudged(
                    look,
                    watch.stage,
                    watch.analysis,
                    watch.known.gathered,
                    None if anew else self._foretold.get(watch.key),
                )
                for watch, look in looks
                if watch.stage is not None and watch.known is not None
            ]
        )

    def _one_by_one(self, looks: Sequence[_Taken]) -> list[Foretold | None]:
        """Find out which look the others must be weighed without.

        Where each can be weighed and only all together cannot, that is so for all of them.
        """
        weighed = [self._alone(watch, look) for watch, look in looks]
        if not any(self.apart.get(watch.key) == watch.stage for watch, _ in looks):
            self.apart.update({watch.key: watch.stage for watch, _ in looks})
        return weighed

    def _alone(self, watch: Watch, look: Look, *, anew: bool = False) -> Foretold | None:
        """Weigh one look; where that fails the passes of its rollout weigh it for the rest of its stage."""
        try:
            (found,) = self._weighed([(watch, look)], anew=anew)
        except Exception:
            log.exception("a look cannot be weighed beside others", key=str(watch.key))
            self.apart[watch.key] = watch.stage
            return None
        return found
