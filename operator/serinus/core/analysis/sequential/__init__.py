"""Anytime-valid tests of a canary against the stable revision: pure, deterministic, vectorised over metrics.

Stands apart because it needs numpy and scipy, and nothing else of Serinus but two constants. Formulas and their
sources are in docs/statistics.md. Array shapes: S share streams, G effects of a grid, F features, K bins, T scrapes.
"""
