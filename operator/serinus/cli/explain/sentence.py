"""One sentence for an incident: what was tried, what happened, when, what decided and by which numbers."""

from __future__ import annotations

from serinus.api.canary import Pace
from serinus.api.rollout import DecisionRecord
from serinus.api.status import Phase
from serinus.cli.explain.account import Account, Decider
from serinus.cli.explain.numbers import IF_EQUAL, bounded, counted, limit_of, odds, one_in, took
from serinus.cli.moments import clock_time
from serinus.core.analysis.words import HOPELESS_REQUESTS, shown_duration, what_counts
from serinus.core.model.exposure import Exposure
from serinus.core.model.rollout import exposure_of
from serinus.core.rollout.records import NO_BASELINE

_DECIDERS = {
    Decider.GUARDRAIL: "by the guardrail, a fixed limit, not by the test",
    Decider.LIMITS: "by a fixed limit (mode is Threshold: there is no test)",
    Decider.TEST: "by the sequential test, with no limit exceeded",
    Decider.LIMIT_TEST: "by the sequential test of the limit",
    Decider.MAX_HOLD: "by maxHold: it was not shown to be safe in time",
    Decider.BLIND_TIMEOUT: "by blindTimeout: no metrics could be read",
    Decider.DEADLINE: "by progressDeadlineSeconds: its pods were not ready in time",
    Decider.PERSON: "by a person",
    Decider.SPEC: "because the spec asks for another version",
    Decider.GROUP: "because of another member of its group",
    Decider.GOAL: "by the test of its goal",
    Decider.WALK: "by the operator",
}


def sentence(account: Account) -> str:
    """Say it all in one sentence."""
    where = f"{account.namespace}/{account.name}"
    told = _ended(account) if account.rollout.status.phase.ended else _under_way(account)
    return f"{where}: {told}{f'; {account.again}' if account.again else ''}."


def _ended(account: Account) -> str:
    status = account.rollout.status
    parts = [f"{_what(account)} {_when(account)}", _reason(account)]
    if status.phase is Phase.SUCCEEDED:
        if account.decided_by is not Decider.GOAL:
            parts.append(_summary(account))
    elif (shown := exposure_of(status)).serves:
        parts.append(f"it still gets {_traffic(shown)} because stable cannot take it all yet")
    elif account.first_traffic is not None:
        parts.append("it no longer gets any traffic")
    return "; ".join(part for part in parts if part)


def _what(account: Account) -> str:
    spec = account.rollout.spec
    tried = f"version {spec.to.version}"
    before = f"version {spec.from_.version}" if spec.from_ else None
    match account.rollout.status.phase:
        case Phase.SUCCEEDED:
            return f"{tried} replaced {before}" if before else f"{tried}, the first revision, took all traffic"
        case Phase.SUPERSEDED:
            return f"{tried}{_at_most(account)} was superseded"
        case phase:
            ended = "reverted" if phase is Phase.REVERTED else "aborted"
            return f"{tried}{_at_most(account)} was {ended}"


def _at_most(account: Account) -> str:
    """Say how far a canary came: a first revision has nothing beside it."""
    before = account.rollout.spec.from_
    if before is None:
        return ""
    if not account.highest_weight:
        return _shown(account.cohort)
    return f", tried on up to {account.highest_weight}% of traffic in place of version {before.version},"


def _shown(exposure: str) -> str:
    """Say to whom a canary without any weight was shown; an exposure of copies is written `mirror 20%`."""
    if exposure.startswith("mirror "):
        return f", tried on copies of {exposure.removeprefix('mirror ')} of the requests (no user saw its answers),"
    return f", shown to {exposure} alone," if exposure else ""


def _when(account: Account) -> str:
    first, last = account.first_traffic, account.ended
    if last is None:
        return "at an unrecorded time"
    if first is None:
        return f"at {clock_time(last)}, before it got any traffic"
    got = "first traffic" if account.highest_weight or not account.cohort.startswith("mirror ") else "first copy"
    return f"at {clock_time(last)}, {took(first, last)} after its {got} at {clock_time(first)}"


def _reason(account: Account) -> str:
    record, decider = account.deciding, account.decided_by
    status = account.rollout.status
    by = _DECIDERS[decider] if decider else ""
    if status.phase is Phase.SUCCEEDED:
        won = f"decided {by} ({status.goal.outcome}): {status.goal.text}" if status.goal else ""
        return {Decider.PERSON: "promoted by a person", Decider.GOAL: won}.get(decider or Decider.WALK, "")
    reason = record.reason if record else status.reason
    if decider is Decider.GOAL:
        return f"decided {by} ({reason}): {status.message}"
    numbers = _numbers(account, record) if record and record.metric else (status.message or "")
    return f"decided {by} ({reason}): {numbers}"


def _numbers(account: Account, record: DecisionRecord) -> str:
    """Metric, value, samples, baseline, and then the limit or the evidence, whichever decided."""
    decider, name = account.decided_by, record.metric
    comparison = account.comparison(name) if decider in {Decider.TEST, Decider.LIMIT_TEST} else None
    counts = what_counts(account.metric(name or ""))
    rests = f" of {counted(record.samples)} {counts}" if record.samples is not None else ""
    parts = [f"{name} was {record.value}{rests}{_over(account, record)}" if record.value else f"{name}{rests}"]
    spec = account.rollout.spec
    if record.baseline not in {None, NO_BASELINE} and spec.from_:
        of = f" of {counted(comparison.requests_stable)}" if comparison else ""
        parts.append(f"version {spec.from_.version} had {record.baseline}{of}")
    if comparison is not None and comparison.estimate is not None:
        parts.append(f"ratio {bounded(comparison.estimate, comparison.lower, comparison.upper)}")
    parts.append(_bar(account, record))
    return ", ".join(part for part in parts if part)


def _over(account: Account, record: DecisionRecord) -> str:
    """The limit, where a literal one decided, by what was counted in its window."""
    if account.decided_by not in {Decider.GUARDRAIL, Decider.LIMITS} or not record.limit:
        return ""
    return f" in the window against a limit of {record.limit}"


def _bar(account: Account, record: DecisionRecord) -> str:
    """The evidence, where the test decided."""
    if account.decided_by not in {Decider.TEST, Decider.LIMIT_TEST} or account.evidence is None:
        return ""
    metric = account.metric(record.metric or "")
    limit = f"; limit {limit_of(metric)}" if metric and metric.threshold_range else ""
    return f"{odds(account.evidence)} {IF_EQUAL} ({one_in(account.reverts_at)} reverts{limit})"


def _under_way(account: Account) -> str:
    spec, status = account.rollout.spec, account.rollout.status
    tried, before = f"version {spec.to.version}", f"version {spec.from_.version}" if spec.from_ else "nothing"
    first = account.first_traffic
    shown = exposure_of(status)
    if shown.is_nothing or first is None:
        return f"{tried} is waiting for its first traffic, {before} is serving; {_standing(account)}"
    since = f"since {clock_time(status.stage_started_at or first)}"
    if status.phase is Phase.GUARDING:
        had = f"{tried} has had all traffic {since}, {before} is kept warm"
    else:
        rest = "answers everybody" if shown.mirror else "the rest"
        had = f"{tried} has had {_traffic(shown)} {since}, {before} {rest}"
    parts = (had, _standing(account), missing(account), "" if account.tests else without_test(account))
    return "; ".join(part for part in parts if part)


def _traffic(shown: Exposure) -> str:
    """Say which requests: 5% of traffic, or the requests of x-tier=premium, or both."""
    share = f"{shown.weight}% of traffic" if shown.weight else ""
    cohort = f"the requests of {' or '.join(match.text for match in shown.matches)}" if shown.matches else ""
    copies = f"copies of {shown.mirror}% of the requests" if shown.mirror else ""
    return " and ".join(part for part in (share, cohort, copies) if part)


def _standing(account: Account) -> str:
    status = account.rollout.status
    verdict = f"{status.verdict}, " if status.verdict else ""
    text = f": {status.message.rstrip('.')}" if status.message else ""
    age = f" ({account.age})" if account.age else ""
    return f"{status.phase} ({verdict}{status.reason}){text}{age}"


def _summary(account: Account) -> str:
    """The weightiest comparison of a rollout that went through."""
    found = max(account.comparisons, key=lambda one: one.e_value, default=None)
    if found is None:
        return "no test compared them" if account.rollout.spec.from_ else "there was nothing to compare it with"
    what = what_counts(account.metric(found.metric))
    requests = f"over {counted(found.requests_canary)} canary and {counted(found.requests_stable)} stable {what}"
    evidence = account.evidence or 0.0
    against = f"{odds(evidence)} {IF_EQUAL}," if evidence >= 1.5 else "no evidence against it"
    return f"{against} {requests}"


def missing(account: Account) -> str:
    """What is missing to decide, and when it will be there; empty when nothing is."""
    outlook = account.rollout.status.outlook
    if account.rollout.status.phase.ended or outlook is None:
        return ""
    if (outlook.requests_needed or 0.0) > HOPELESS_REQUESTS:
        return f"at the current error rates riskBudget will never allow the next step{_unless_timed(account)}"
    parts = []
    if outlook.requests_needed:
        parts.append(f"{counted(outlook.requests_needed)} more canary requests until riskBudget allows the next step")
    if outlook.eta_seconds and account.decides_at:
        parts.append(f"in about {shown_duration(outlook.eta_seconds)}, at {clock_time(account.decides_at)}")
    if outlook.suggested_weight and (outlook.eta_seconds or 0) > 3600:
        parts.append(f"a weight of {outlook.suggested_weight:.3g}% would decide sooner")
    return f"{', '.join(parts)}{_unless_timed(account)}" if parts else ""


def _unless_timed(account: Account) -> str:
    """With pace Timed the weight rises without this proof."""
    timed = (account.rollout.spec.strategy.canary.pace or Pace.TIMED) is Pace.TIMED
    return " (not waited for: pace is Timed)" if timed else ""


def without_test(account: Account) -> str:
    """Say why there is no test."""
    if account.rollout.spec.from_ is None:
        return "no test: it is the first revision, and there is nothing to compare it with"
    return "fixed limits only: mode is Threshold, so there is no test"
