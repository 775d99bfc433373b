"""PromQL text: the queries of the presets, and the users' own with their tokens filled in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final

from serinus.api.policy import Provider
from serinus.core.model.revision import GRPC_PORT, HTTP_PORT
from serinus.core.serving.openai import VLLM_COUNTERS
from serinus.core.serving.triton.runtime import COUNTERS

BOTH_PORTS = f"({HTTP_PORT}|{GRPC_PORT})"
_IN_ORDER: Final = attrgetter("namespace", "name", "revision", "service")
SERVICES_PER_QUERY = 100
"""A query's text stays well under the limits of proxies in front of Prometheus."""


class SeriesKind(StrEnum):
    """What a provider is asked for at once: what counts answers, or in which time they were given."""

    COUNTERS = "counters"
    HISTOGRAMS = "histograms"


EVERY_KIND: Final = frozenset(SeriesKind)
_COUNTED_APART: Final = frozenset({Provider.ISTIO, Provider.ENVOY, Provider.SIDECAR})


@dataclass(frozen=True, order=True)
class Arm:
    """One revision as its series name it."""

    namespace: str
    name: str
    revision: str
    service: str

    @property
    def pods(self) -> str:
        """Name it among series by its pods: two ModelDeployments of one model and runtime share the hash."""
        return f"{self.name}/{self.revision}"


def in_order(arms: Iterable[Arm]) -> list[Arm]:
    """Put arms in order, each once: by a tuple of its own an arm is compared a dozen times faster."""
    return sorted(set(arms), key=_IN_ORDER)


def quoted(text: str) -> str:
    """Escape a value for the inside of a PromQL string."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def render_query(template: str, arm: Arm, window: str) -> str:
    """Fill the tokens of a user's query, one by one and quoted; there is no template engine to trick."""
    values = {
        "{{namespace}}": arm.namespace,
        "{{name}}": arm.name,
        "{{revision}}": arm.revision,
        "{{service}}": arm.service,
    }
    for token, value in values.items():
        template = template.replace(token, quoted(value))
    return template.replace("{{window}}", window)


def has_baseline(template: str) -> bool:
    """Whether a user's query tells the revisions apart; without it stable's value would be the canary's own."""
    return "{{revision}}" in template or "{{service}}" in template


def preset_queries(
    provider: Provider,
    arms: Sequence[Arm],
    *,
    seconds: float,
    latency: bool,
    gateways: Sequence[str] = ("*",),
    matchers: Sequence[str] = (),
    histogram: str = "",
    kinds: frozenset[SeriesKind] = EVERY_KIND,
) -> list[str]:
    """Ask a provider for the raw samples of all arms' counters, and of their histograms where `latency` is read.

    `histogram` is the one that is read of a provider that has several. `kinds` may ask for one of both alone, of a
    provider that is asked for them apart.
    """
    match provider:
        case Provider.TRITON:
            return own_queries(COUNTERS.requests, arms, seconds=seconds, matchers=matchers)
        case Provider.VLLM:
            wanted = "|".join(filter(None, (VLLM_COUNTERS.requests, histogram)))
            return own_queries(wanted, arms, seconds=seconds, matchers=matchers)
        case Provider.ENVOY:
            queries = envoy_queries(arms, seconds=seconds, latency=latency, gateways=gateways, matchers=matchers)
        case Provider.ISTIO:
            queries = istio_queries(arms, seconds=seconds, latency=latency, matchers=matchers)
        case Provider.SIDECAR:
            queries = sidecar_queries(arms, seconds=seconds, latency=latency, matchers=matchers)
    of_kind = (SeriesKind.COUNTERS, SeriesKind.HISTOGRAMS) if latency else (SeriesKind.COUNTERS,)
    return [query for place, query in enumerate(queries) if of_kind[place % len(of_kind)] in kinds]


def asked_apart(provider: Provider) -> bool:
    """Whether a provider's histograms are a question of their own: a server's own series are few, and asked at once."""
    return provider in _COUNTED_APART


def istio_queries(arms: Sequence[Arm], *, seconds: float, latency: bool, matchers: Sequence[str] = ()) -> list[str]:
    """Ask for the raw samples of all arms' Services, in chunks; the callers' view (`reporter="source"`).

    Which of the callers is a gateway of ours is read from the answer: so that people can be told who else reports.
    """
    return _istio_queries(arms, "source", "service", seconds=seconds, latency=latency, matchers=matchers)


def sidecar_queries(arms: Sequence[Arm], *, seconds: float, latency: bool, matchers: Sequence[str] = ()) -> list[str]:
    """Ask for the raw samples of all arms' pods, as their own sidecars report them, in chunks.

    By the workload, which is called as its revision's Service: of several Services that select a pod the sidecar names
    one (https://istio.io/latest/docs/reference/config/metrics/).
    """
    return _istio_queries(arms, "destination", "workload", seconds=seconds, latency=latency, matchers=matchers)


def _istio_queries(
    arms: Sequence[Arm], reporter: str, by: str, *, seconds: float, latency: bool, matchers: Sequence[str]
) -> list[str]:
    name = {"service": "destination_service_name", "workload": "destination_workload"}[by]
    queries = []
    for chunk in _chunks(in_order(arms)):
        selector = (
            f'{{reporter="{reporter}",destination_{by}_namespace=~"{either(arm.namespace for arm in chunk)}",'
            f'{name}=~"{either(arm.service for arm in chunk)}"{more(matchers)}}}[{_range(seconds)}]'
        )
        queries.append(f"istio_requests_total{selector}")
        if latency:
            queries.append(f"istio_request_duration_milliseconds_bucket{selector}")
    return queries


def own_queries(names: str, arms: Sequence[Arm], *, seconds: float, matchers: Sequence[str] = ()) -> list[str]:
    """Ask for the raw samples of all arms' pods; their labels come from the scrape configuration.

    `names` are those of a server's own series, as alternatives.
    """
    return [
        f'{{__name__=~"{names}",{by_pods(chunk)}{more(matchers)}}}[{_range(seconds)}]'
        for chunk in _chunks(in_order(arms))
    ]


def by_pods(arms: Sequence[Arm]) -> str:
    """Select series by the labels of the arms' pods; one without the label `modeldeployment` is believed."""
    namespaces, revisions = either(arm.namespace for arm in arms), either(arm.revision for arm in arms)
    names = either(arm.name for arm in arms)
    return f'namespace=~"{namespaces}",revision=~"{revisions}",modeldeployment=~"|{names}"'


def envoy_queries(
    arms: Sequence[Arm], *, seconds: float, latency: bool, gateways: Sequence[str], matchers: Sequence[str] = ()
) -> list[str]:
    """Ask for the raw samples of all arms' clusters in the gateways; a series without the label `pod` is believed."""
    answers = 'envoy_cluster_upstream_rq{response_code_class!="",'
    wanted = answers, *(("envoy_cluster_upstream_rq_time_bucket{",) if latency else ())
    queries = []
    for chunk in _chunks(in_order(arms)):
        cluster = clusters(either(arm.service for arm in chunk), either(arm.namespace for arm in chunk))
        inside = f'cluster_name=~"{cluster}",pod=~"|({workloads(gateways)})-.+"{more(matchers)}'
        queries += [f"{selected}{inside}}}[{_range(seconds)}]" for selected in wanted]
    return queries


def clusters(services: str, namespaces: str, ports: str = BOTH_PORTS) -> str:
    """Write a pattern of the names of a gateway's clusters; inside PromQL's quotes a backslash is doubled."""
    return rf"outbound\\|{ports}\\|[^|]*\\|({services})\\.({namespaces})\\.svc\\..*"


def newest_scrape(*targets: str) -> str:
    """Ask when any target was scraped last; only a bare selector keeps the true time of its samples."""
    return f"max({' or '.join(f'timestamp({one})' for one in targets)})"


def scrapes_within(*targets: str, seconds: float) -> str:
    """Ask how often the most scraped target was scraped in a time."""
    return f"topk(1, {' or '.join(f'count_over_time({one}[{_range(seconds)}])' for one in targets)})"


def gateways_scraped(gateways: Sequence[str], matchers: Sequence[str]) -> tuple[str, str]:
    """Select what every scrape of a gateway brings: by its pods' names, and by what it reports of anybody.

    Not all targets: a store of many clusters has a million.
    """
    named = workloads(gateways)
    pods = f'up{{pod=~"({named})-.+"{more(matchers)}}}'
    reported = f'istio_requests_total{{reporter="source",source_workload=~"{named}"{more(matchers)}}}'
    return pods, reported


def workloads(gateways: Sequence[str]) -> str:
    """Write the names of gateways as the inside of a PromQL regular expression."""
    return "|".join(sorted({_regex(gateway.rpartition("/")[2]) for gateway in gateways}))


def pods_scraped(arms: Iterable[Arm], matchers: Sequence[str]) -> tuple[str]:
    """Select what every scrape of a pod of these arms' namespaces brings."""
    return (f'up{{namespace=~"{either(arm.namespace for arm in arms)}"{more(matchers)}}}',)


def _regex(pattern: str) -> str:
    """Write a name with `*` as the inside of a PromQL regular expression."""
    return quoted(".*".join(re.escape(part) for part in pattern.split("*")).replace("\\-", "-"))


def more(matchers: Sequence[str]) -> str:
    """Write label matchers behind others in a selector."""
    return "".join(f",{matcher}" for matcher in matchers)


def _chunks(arms: Sequence[Arm]) -> list[Sequence[Arm]]:
    return [arms[start : start + SERVICES_PER_QUERY] for start in range(0, len(arms), SERVICES_PER_QUERY)]


def either(values: Iterable[str]) -> str:
    """Write values as alternatives of a regular expression."""
    return "|".join(sorted({quoted(value) for value in values}))


def _range(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds == round(seconds) else f"{max(1, round(seconds * 1000))}ms"
