"""NVIDIA Triton: how it is started, how its model folders look, what its log says of a failed load."""
