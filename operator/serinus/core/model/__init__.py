"""Values shared by all of core."""
