"""What the operator knows of model servers, one module a runtime: pure, and nothing else in core names a server."""
