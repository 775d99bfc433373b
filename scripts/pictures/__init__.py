"""Draws docs/strategies.md's pictures: `make pictures`. `played` runs each strategy on virtual time with the operator's
own code, `stories` says what happens in each, and `drawing` makes an SVG of it.
"""
