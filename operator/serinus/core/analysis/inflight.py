"""Series that tell a version that answers nothing from one that gets no requests.

Envoy counts the requests that it sends to a Service's cluster, and those waiting there (`upstream_rq_total`,
`upstream_rq_active`); an Istio proxy exposes these if its annotation `proxyStatsMatcher` includes `cluster.outbound`.
A server may count requests waiting for its model. Istio writes code 0 for callers that hung up, and counts the messages
of gRPC streams.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from serinus.core.analysis.exposition import CLUSTER, Count, Meaning, Owner, owner_of_cluster, read_istio, read_server
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.places import Place, Places
from serinus.core.analysis.promql import BOTH_PORTS, Arm, by_pods, clusters, either, more, quoted
from serinus.core.model.answers import Series
from serinus.core.model.revision import HTTP_PORT
from serinus.core.serving.runtimes import COUNTED

USUAL = 0.99
"""So many of the answers show how long one takes: what a few slow ones move a share by is less than is looked for."""
_IN_FLIGHT, _ENTERED = "envoy_cluster_upstream_rq_active", "envoy_cluster_upstream_rq_total"
_PENDING = frozenset(each.pending for each in COUNTED)
_MESSAGES = "istio_response_messages_total"


def gateway_query(arms: Sequence[Arm], seconds: float, matchers: Sequence[str] = ()) -> str:
    """Ask what the gateways have sent to the arms' Services, and what waits there."""
    cluster = clusters(either(arm.service for arm in arms), either(arm.namespace for arm in arms))
    return f'{{__name__=~"{_IN_FLIGHT}|{_ENTERED}",cluster_name=~"{cluster}"{more(matchers)}}}[{math.ceil(seconds)}s]'


def open_query(arm: Arm, matchers: Sequence[str] = (), *, ports: str = BOTH_PORTS) -> str:
    """Ask how many requests and streams are open at a revision's Service, over all gateways."""
    cluster = clusters(quoted(arm.service), quoted(arm.namespace), ports)
    return f'sum({_IN_FLIGHT}{{cluster_name=~"{cluster}"{more(matchers)}}})'


def pending_query(arms: Sequence[Arm], seconds: float, matchers: Sequence[str] = ()) -> str:
    """Ask what waits for the arms' models in their servers."""
    return f'{{__name__=~"{"|".join(sorted(_PENDING))}",{by_pods(arms)}{more(matchers)}}}[{math.ceil(seconds)}s]'


def message_query(arms: Sequence[Arm], seconds: float, matchers: Sequence[str] = ()) -> str:
    """Ask for the messages that gRPC streams have answered: a stream counts as a request only when it ends."""
    namespaces, services = either(arm.namespace for arm in arms), either(arm.service for arm in arms)
    service = f'destination_service_namespace=~"{namespaces}",destination_service_name=~"{services}"'
    return f'{_MESSAGES}{{reporter="source",{service}{more(matchers)}}}[{math.ceil(seconds)}s]'


def slowest_answers(totals: Totals) -> float | None:
    """Tell by a histogram how long the slowest answers took at most; infinite beyond its highest bound."""
    answers = totals.slower.get(math.inf, 0.0)
    return min((bound for bound, below in totals.slower.items() if below >= answers), default=None) if answers else None


def usual_answers(totals: Totals) -> float | None:
    """Tell how long all but a hundredth of the answers took at most; None where nothing says it.

    By the histogram, infinite beyond its highest bound; without one the mean has to do.
    """
    answers = totals.slower.get(math.inf, 0.0)
    if answers:
        return min(bound for bound, below in totals.slower.items() if below >= USUAL * answers)
    return totals.seconds / totals.requests if totals.seconds and totals.requests else None


def read_answers(labels: Mapping[str, str]) -> Meaning | None:
    """Read what was answered, well or badly, as a success; a caller who hung up has no answer."""
    meaning = read_istio(labels) or read_server(labels)
    if meaning is None or meaning.count in {Count.SLOWER, Count.SECONDS}:
        return meaning
    hung_up = labels.get("response_code") == "0" or labels.get("grpc_response_status") == "1"
    return Meaning(meaning.owner, Count.CLIENT_ERROR if hung_up else Count.SUCCESS)


def read_messages(labels: Mapping[str, str]) -> Meaning | None:
    """Read the messages that were answered."""
    owner = labels.get("destination_service_namespace", ""), labels.get("destination_service_name", "")
    return Meaning(owner, Count.SUCCESS)


def read_entered(labels: Mapping[str, str]) -> Meaning | None:
    """Read what a gateway has sent to a Service."""
    owner = owner_of_cluster(labels)
    return Meaning(owner, Count.SUCCESS) if owner is not None and labels.get("__name__") == _ENTERED else None


def waiting(series: Sequence[Series]) -> dict[Owner, dict[float, float]]:
    """Add up what waits for an answer, by owner and by the second of the scrape; what two report of a place is one.

    Envoy's gauge is read on the port of HTTP alone: on gRPC's it also holds streams that wait for nothing.
    """
    places, found = Places(), dict[Owner, dict[float, dict[tuple[Place, str], float]]]()
    for one in series:
        places.learn(one.labels)
    for one in series:
        owner, gauge = _waits_for(one.labels), (places.place_of(one.labels), one.labels.get("model", ""))
        times = found.setdefault(owner, {}) if owner else {}
        for at, value in one.samples:
            there = times.setdefault(float(round(at)), {})
            there[gauge] = max(value, there.get(gauge, 0.0))
    return {owner: {at: sum(there.values()) for at, there in times.items()} for owner, times in found.items()}


def _waits_for(labels: Mapping[str, str]) -> Owner | None:
    if labels.get("__name__") in _PENDING:
        return labels.get("namespace", ""), labels.get("revision", "")
    cluster = CLUSTER.fullmatch(labels.get("cluster_name", ""))
    if cluster is None or labels.get("__name__") != _IN_FLIGHT or cluster[1] != str(HTTP_PORT):
        return None
    return cluster[3], cluster[2]
