"""An account as JSON, for scripts: the keys are a contract (docs/operations.md)."""

from __future__ import annotations

from serinus.cli.explain.account import SUSPICIOUS, Account
from serinus.cli.explain.sentence import sentence
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import exposure_of


def account_json(account: Account) -> Json:
    """Write everything that the page shows, with the numbers as they are stored."""
    rollout, status = account.rollout, account.rollout.status
    return {
        "namespace": account.namespace,
        "name": account.name,
        "rollout": rollout.name,
        "sentence": sentence(account),
        "from": rollout.spec.from_.manifest() if rollout.spec.from_ else None,
        "to": rollout.spec.to.manifest(),
        "phase": str(status.phase),
        "weight": status.weight,
        "exposure": exposure_of(status).text,
        "reason": status.reason,
        "decidedBy": account.decided_by,
        "triedAgain": account.again or None,
        "test": account.tests,
        "firstTraffic": account.first_traffic,
        "ended": account.ended,
        "evidence": _evidence(account),
        "calibration": account.calibration,
        "missing": _missing(account),
        "goal": status.goal.manifest() if status.goal else None,
        "asOf": account.looked,
        "metrics": [one.manifest() for one in account.comparisons],
        "decisions": [record.manifest() for record in status.decisions],
    }


def _evidence(account: Account) -> Json | None:
    if account.evidence is None:
        return None
    return {"now": account.evidence, "suspiciousAt": SUSPICIOUS, "revertsAt": account.reverts_at}


def _missing(account: Account) -> Json | None:
    outlook = account.rollout.status.outlook
    if outlook is None or account.rollout.status.phase.ended:
        return None
    return {
        "requests": outlook.requests_needed,
        "seconds": outlook.eta_seconds,
        "at": account.decides_at,
        "suggestedWeight": outlook.suggested_weight,
    }
