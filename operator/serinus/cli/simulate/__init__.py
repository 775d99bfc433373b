"""`serinus simulate`."""
