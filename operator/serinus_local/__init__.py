"""A whole real cluster on one Linux machine, without Docker: Kubernetes, Istio, Envoy, Triton and Prometheus.

It stands apart from the operator because nothing here is part of the product: it builds the programs once,
starts them with free ports and a state folder of their own, and takes them away again without a trace.
"""
