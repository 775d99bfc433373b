"""What a step of a strategy does, one module a verb; its field and its rules for the API server are in api/."""
