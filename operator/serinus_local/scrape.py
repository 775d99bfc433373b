"""What the stack's Prometheus scrapes, and how series get the names and labels that they have in production."""

from __future__ import annotations

from pathlib import Path

from serinus_local import chart, gateway

Rule = dict[str, object]

# Envoy's name of a Service's cluster: port, subset (unused here), Service, namespace.
_CLUSTER = r"outbound\|{port}\|[^|]*\|([^.]+)\.([^.]+)\.svc\.cluster\.local"
_HTTP, _GRPC = "8000", "8001"


def config(*, kubeconfig: Path, operator: str) -> dict[str, object]:
    """Return the configuration: the gateway, every model pod and the operator, a pod or a process, each second."""
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            _envoy(kubeconfig),
            _clusters(kubeconfig),
            _models(kubeconfig, "triton", "http-metrics"),
            # vLLM's are on the port of its requests, so pods of its kind have no other.
            _models(kubeconfig, "openai", "http", name="openai"),
            _pod(kubeconfig),
            _process(operator),
        ],
    }


def envoy_rules() -> list[Rule]:
    """Return the rules that turn a scrape of Envoy into Istio's series."""
    return [*_http_requests(), *_grpc_requests(), *_grpc_messages(), *_durations(), *_tidy()]


def _envoy(kubeconfig: Path) -> dict[str, object]:
    return {**_gateways(kubeconfig, "envoy", r"^(cluster\.outbound|http\.)"), "metric_relabel_configs": envoy_rules()}


def _clusters(kubeconfig: Path) -> dict[str, object]:
    """Scrape the clusters' histograms once more, by their own names: the first time they became Istio's."""
    return _gateways(kubeconfig, "envoy-clusters", r"^cluster\.outbound.*upstream_rq_time$")


def _gateways(kubeconfig: Path, job: str, statistics: str) -> dict[str, object]:
    return {
        "job_name": job,
        "metrics_path": "/stats/prometheus",
        # Without `usedonly` every cluster shows counters at 0 that Istio's proxies do not have either.
        "params": {"usedonly": [""], "filter": [statistics]},
        "kubernetes_sd_configs": [_pods(kubeconfig, namespaces=[gateway.NAMESPACE])],
        "relabel_configs": [
            _keep("__meta_kubernetes_pod_container_port_number", str(gateway.ADMIN_PORT)),
            *_pod_labels(),
            # Istio's proxies say which workload reports; here the pod's labels do.
            {"source_labels": ["__meta_kubernetes_pod_label_app"], "target_label": "source_workload"},
            {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "source_workload_namespace"},
        ],
    }


def _models(kubeconfig: Path, job: str, port: str, *, name: str = ".*") -> dict[str, object]:
    """Scrape the models' own series on a port; `name` is that of their server, if they say one."""
    return {
        "job_name": job,
        "kubernetes_sd_configs": [_pods(kubeconfig)],
        "relabel_configs": [
            _keep("__meta_kubernetes_pod_label_serinus_dev_revision", ".+"),
            _keep("__meta_kubernetes_pod_label_app_kubernetes_io_name", name),
            _keep("__meta_kubernetes_pod_container_port_name", port),
            _keep("__meta_kubernetes_pod_phase", "Running"),
            *_pod_labels(),
            {"source_labels": ["__meta_kubernetes_pod_label_serinus_dev_revision"], "target_label": "revision"},
            {
                "source_labels": ["__meta_kubernetes_pod_label_serinus_dev_modeldeployment"],
                "target_label": "modeldeployment",
            },
        ],
    }


def _pod(kubeconfig: Path) -> dict[str, object]:
    return {
        "job_name": "serinus",
        "kubernetes_sd_configs": [_pods(kubeconfig, namespaces=[chart.NAMESPACE])],
        "relabel_configs": [_keep("__meta_kubernetes_pod_container_port_name", "http-metrics"), *_pod_labels()],
    }


def _process(address: str) -> dict[str, object]:
    return {"job_name": "serinus-process", "static_configs": [{"targets": [address]}]}


def _pods(kubeconfig: Path, namespaces: list[str] | None = None) -> dict[str, object]:
    found: dict[str, object] = {"role": "pod", "kubeconfig_file": str(kubeconfig)}
    return found | ({"namespaces": {"names": namespaces}} if namespaces else {})


def _pod_labels() -> list[Rule]:
    return [
        {"source_labels": ["__meta_kubernetes_namespace"], "target_label": "namespace"},
        {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
    ]


def _keep(label: str, regex: str) -> Rule:
    return {"action": "keep", "source_labels": [label], "regex": regex}


def _http_requests() -> list[Rule]:
    """Count HTTP by code on the port of HTTP; the same name has a second set by class, which has no code."""
    match = r"envoy_cluster_upstream_rq;\d+;" + _CLUSTER.format(port=_HTTP)
    source = ["__name__", "response_code", "cluster_name"]
    return [
        _set(source, match, "request_protocol", "http"),
        *_named(source, match, "istio_requests_total"),
    ]


def _grpc_requests() -> list[Rule]:
    """Count gRPC by its own status on the port of gRPC, where HTTP's code is always 200."""
    match = r"envoy_cluster_grpc_(\d+);" + _CLUSTER.format(port=_GRPC)
    source = ["__name__", "cluster_name"]
    return [
        _set(source, match, "grpc_response_status", "$1"),
        _set(source, match, "response_code", "200"),
        _set(source, match, "request_protocol", "grpc"),
        *_named(source, match, "istio_requests_total", first=2),
    ]


def _grpc_messages() -> list[Rule]:
    """Count the messages of gRPC streams as they come: a stream has a status only when it ends."""
    match = r"envoy_cluster_grpc_(request|response)_message_count;" + _CLUSTER.format(port=_GRPC)
    source = ["__name__", "cluster_name"]
    return [
        _set(source, match, "request_protocol", "grpc"),
        *_named(source, match, "istio_${1}_messages_total", first=2),
    ]


def _durations() -> list[Rule]:
    rules: list[Rule] = []
    for protocol, port in (("http", _HTTP), ("grpc", _GRPC)):
        match = r"envoy_cluster_upstream_rq_time_(bucket|sum|count);" + _CLUSTER.format(port=port)
        source = ["__name__", "cluster_name"]
        rules += [
            _set(source, match, "request_protocol", protocol),
            *_named(source, match, "istio_request_duration_milliseconds_$1", first=2),
        ]
    return rules


def _named(source: list[str], match: str, name: str, *, first: int = 1) -> list[Rule]:
    """Say which Service a series is about and give it Istio's name; the name last, for the others match by it."""
    return [
        _set(source, match, "destination_service_name", f"${{{first}}}"),
        _set(source, match, "destination_service_namespace", f"${{{first + 1}}}"),
        _set(source, match, "destination_service", f"${{{first}}}.${{{first + 1}}}.svc.cluster.local"),
        _set(source, match, "reporter", "source"),
        _set(source, match, "__name__", name),
    ]


def _set(source: list[str], match: str, label: str, value: str) -> Rule:
    return {"source_labels": source, "regex": match, "target_label": label, "replacement": value}


def _tidy() -> list[Rule]:
    """Drop Envoy's duplicates, and its own labels where Istio's say the same."""
    return [
        {"action": "drop", "source_labels": ["__name__"], "regex": "envoy_cluster_(internal|external)_.*"},
        {"action": "drop", "source_labels": ["__name__"], "regex": r"envoy_cluster_grpc_.*"},
        {"source_labels": ["__name__"], "regex": "istio_.*", "target_label": "cluster_name", "replacement": ""},
    ]
