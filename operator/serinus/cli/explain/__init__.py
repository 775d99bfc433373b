"""`serinus explain`."""
