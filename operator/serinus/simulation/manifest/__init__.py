"""A manifest's own policy against simulated traffic, many rollouts at a time."""
