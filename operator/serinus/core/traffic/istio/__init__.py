"""Istio: VirtualServices carry the split, DestinationRules a revision's traffic policy."""
