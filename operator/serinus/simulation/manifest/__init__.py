"""A manifest's own policy against made-up traffic, many rollouts at a time."""
