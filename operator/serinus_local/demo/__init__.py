"""The demo: one good version that is promoted, two bad ones that are taken back, told while it happens.

`run` is the whole of it; `story` says what must happen, `traffic` asks the model all the while, `watching` follows the
objects, `screen` shows both, `summary` says what came of it.
"""
