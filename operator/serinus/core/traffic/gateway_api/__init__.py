"""The Gateway API: one HTTPRoute carries the split of HTTP and gRPC alike."""
