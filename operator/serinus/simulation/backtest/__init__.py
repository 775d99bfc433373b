"""A manifest's own policy against recorded series."""
