"""The gateway: Envoy in a pod, told what to do by istiod, labelled and exposed as Istio's own gateway is."""

from __future__ import annotations

import json

from serinus_local.images import ENVOY

NAMESPACE = "gateways"
SERVICE = "istio-ingressgateway"
LABELS = {"app": SERVICE, "istio": "ingressgateway"}
ADMIN_PORT = 15000
HTTP_PORT = 8080
# Bounds of Envoy's histogram, in milliseconds; thresholds of a few hundred must fall between close bounds.
_BUCKETS = [0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 250, 300, 400, 500, 750, 1000]
_BUCKETS += [2500, 5000, 10000, 30000]


def manifests(*, xds: str, address: str) -> str:
    """Render namespace, bootstrap, Deployment and Service of the gateway as a List."""
    metadata = {"name": SERVICE, "namespace": NAMESPACE}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"envoy.json": _bootstrap(xds)}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": _deployment()},
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": _service(address)},
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def istio_gateway(namespace: str) -> str:
    """Render Istio's Gateway `public` of a team's namespace: plain HTTP for any host."""
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return json.dumps(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "public", "namespace": namespace},
            "spec": {"selector": {"istio": LABELS["istio"]}, "servers": [server]},
        }
    )


def shared_gateway() -> str:
    """Render the Gateway API's Gateway `public` for every team: plain HTTP for any host.

    It names the Service of our Envoy, which must be of its own namespace; without one istiod would deploy another.
    """
    address = {"type": "Hostname", "value": f"{SERVICE}.{NAMESPACE}.svc.cluster.local"}
    everybody = {"namespaces": {"from": "All"}}
    return json.dumps(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "public", "namespace": NAMESPACE},
            "spec": {
                "gatewayClassName": "istio",
                "addresses": [address],
                "listeners": [{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everybody}],
            },
        }
    )


def _service(address: str) -> dict[str, object]:
    ports = [{"name": "http2", "port": 80, "targetPort": HTTP_PORT}]
    return {"type": "ClusterIP", "clusterIP": address, "selector": LABELS, "ports": ports}


def _deployment() -> dict[str, object]:
    node_id = f"router~$(POD_IP)~$(POD_NAME).{NAMESPACE}~{NAMESPACE}.svc.cluster.local"
    container = {
        "name": "envoy",
        "image": ENVOY,
        "imagePullPolicy": "IfNotPresent",
        "args": ["--config-path", "/etc/envoy/envoy.json", "--service-node", node_id,
                 "--service-cluster", SERVICE, "--concurrency", "1", "--log-level", "warning"],
        "env": [_from_pod("POD_IP", "status.podIP"), _from_pod("POD_NAME", "metadata.name")],
        "ports": [{"name": "http", "containerPort": HTTP_PORT}, {"name": "http-envoy", "containerPort": ADMIN_PORT}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": ADMIN_PORT}, "periodSeconds": 1},
        # Its share of the CPU while models load: without one it stood still for 20 s beside two starts of Triton.
        "resources": {"requests": {"cpu": "500m", "memory": "64Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "bootstrap", "mountPath": "/etc/envoy"}, {"name": "shm", "mountPath": "/dev/shm"}],
    }  # fmt: skip
    pod = {
        "containers": [container],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 2,
        "volumes": [
            {"name": "bootstrap", "configMap": {"name": SERVICE}},
            {"name": "shm", "emptyDir": {"medium": "Memory"}},
        ],
    }
    return {"selector": {"matchLabels": LABELS}, "template": {"metadata": {"labels": LABELS}, "spec": pod}}


def _from_pod(name: str, path: str) -> dict[str, object]:
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def _bootstrap(xds: str) -> str:
    ads = {"ads": {}, "resource_api_version": "V3"}
    # With Envoy's default back-off the weights would stay stale for 15 s after a restart of istiod.
    retry = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
    grpc = {"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": retry}}
    return json.dumps(
        {
            "node": {
                "metadata": {
                    "NAMESPACE": NAMESPACE, "CLUSTER_ID": "Kubernetes", "ISTIO_VERSION": "1.31.0", "LABELS": LABELS,
                }
            },
            "admin": {"address": _address("0.0.0.0", ADMIN_PORT)},
            # Histograms are merged at each flush; with the default of 5 s latency would be seen late.
            "stats_flush_interval": "1s",
            "stats_config": _stats(),
            "dynamic_resources": {
                "cds_config": ads,
                "lds_config": ads,
                "ads_config": {"api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [grpc]},
            },
            # As Istio's own proxies have it: by default Envoy refuses a regex of more than 100 instructions.
            "layered_runtime": {
                "layers": [{"name": "istio", "static_layer": {"re2.max_program_size.error_level": 32768}}]
            },
            "static_resources": {"clusters": [_xds_cluster(xds)]},
        },
        indent=1,
    )  # fmt: skip


def _stats() -> dict[str, object]:
    """Return Istio's own tags: with Envoy's, the dots of a cluster's host end up in the metric's name."""
    tags = {
        "cluster_name": r"^cluster(\.(.+);)",
        "http_conn_manager_prefix": r"^http\.(((?:[_.[:digit:]\w]*|[_\[\]aAbBcCdDeEfF[:digit:]\w\:]*));\.)",
        "response_code": r"_rq(_(\d{3}))$",
        "response_code_class": r"_rq(_(\dxx))$",
    }
    return {
        "use_all_default_tags": False,
        "stats_tags": [{"tag_name": name, "regex": regex} for name, regex in tags.items()],
        "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": _BUCKETS}],
    }


def _xds_cluster(xds: str) -> dict[str, object]:
    host, _, port = xds.rpartition(":")
    endpoint = {"endpoint": {"address": _address(host, int(port))}}
    http2 = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "name": "xds-grpc",
        "alt_stat_name": "xds-grpc;",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": "xds-grpc", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
        "upstream_connection_options": {"tcp_keepalive": {"keepalive_time": 10}},
    }


def _address(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}
