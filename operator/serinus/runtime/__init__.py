"""Looks at the cluster and acts on it: observe, decide, write status, carry out."""
