"""Looks and acts: observe, decide, write status, carry out."""
