"""Promotions, reverts, scale-downs and deleted pods under steady traffic, and what became of each request.

`make soak-traffic`. `load` and `streams` ask, `rounds` changes things meanwhile, `happenings` follows the cluster,
`ledger` tells what was lost, `report` says it.
"""
