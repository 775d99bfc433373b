"""Values that everybody shares."""
