"""What the operator costs and how quick it is, against a real API server: `make bench`."""
