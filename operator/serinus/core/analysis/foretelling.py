"""What looks bring that no pass has judged yet: weighed for many rollouts at once, and each pass finds it done.

It is the answer to the very evidence and stage that it was worked out for; anything else a pass weighs itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serinus.api.canary import Pace
from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis.comparison import Feed, Foretold, Weighed, feed, fits
from serinus.core.analysis.comparison_metrics import Streams, streams_of
from serinus.core.analysis.comparison_words import verdict_of
from serinus.core.analysis.sequential.together import observe_together
from serinus.core.model.assessment import Gathered, Look, Stage


@dataclass(frozen=True)
class Unjudged:
    """A look that no pass has judged yet; `gathered` is what the last pass has left of evidence.

    `since` is what looks since then were found to bring.
    """

    look: Look
    stage: Stage
    policy: Analysis
    gathered: Gathered | None
    since: Foretold | None = None


def foretell(looks: Sequence[Unjudged]) -> list[Foretold | None]:
    """Weigh what many looks bring, all at once; None for one that is weighed by itself when it is judged."""
    fed: dict[int, tuple[Streams, Feed]] = {}
    for place, one in enumerate(looks):
        if one.stage.is_of_a_cohort:
            # It is judged by limits alone (`assess`): a test at no weight would judge nobody.
            continue
        known = one.since is not None and one.since.before is one.gathered and one.since.stage == one.stage
        weighed = one.since.after if one.since is not None and known else one.gathered
        if not isinstance(weighed, Weighed):
            continue
        streams = streams_of(one.look, one.policy, weighed.bins)
        if streams.known and all(fits(stream, weighed.monitor) for stream in streams.known):
            fed[place] = streams, feed(weighed, one.look, one.stage, streams.known)
    answers = observe_together([(one.monitor, (one.at, one.observations)) for _, one in fed.values()])
    found: list[Foretold | None] = [None] * len(looks)
    for (place, (streams, taken)), answer in zip(fed.items(), answers, strict=True):
        one, whole = looks[place], not (streams.silent or streams.refused)
        assert isinstance(one.gathered, Weighed)
        passed_by = one.since.passed_by if one.since is not None and one.since.before is one.gathered else ()
        found[place] = Foretold(one.gathered, one.stage, answer, taken.after, whole, passed_by)
    return found


def stays_safe(foretold: Foretold, pace: Pace) -> bool:
    """Whether nothing of what is compared holds the weight, or takes it."""
    verdict, _ = verdict_of(foretold.answer, pace)
    return foretold.whole and verdict is Verdict.SAFE and foretold.answer.outdone is None


def going_on(foretold: Foretold, gathered: Gathered | None, stage: Stage | None) -> Foretold | None:
    """Give the same answer once a pass has taken in what it came from; None where something else is judged now."""
    if foretold.after is not gathered or foretold.stage != stage:
        return None
    return Foretold(foretold.after, foretold.stage, foretold.answer, foretold.after, foretold.whole)


def answers(foretold: Foretold, gathered: Gathered | None, stage: Stage | None) -> bool:
    """Whether this is what looks have brought to some evidence in this stage."""
    return foretold.before is gathered and foretold.stage == stage


def may_say_more(foretold: Foretold, until: float, now: float) -> bool:
    """Whether the tests may say something else of a look at `now` (s), which brings the scrapes up to a time (s)."""
    return foretold.after.monitor.may_say_more(until, now)
