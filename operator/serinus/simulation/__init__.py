"""Synthetic traffic and whole rollouts against the statistical core, many at a time: `serinus simulate` and the tables.

Stands apart from the core because it draws random numbers; it is deterministic for a seed.
"""
