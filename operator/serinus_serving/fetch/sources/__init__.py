"""One module a scheme, or a family of them: how it lists an artifact's files and how it reads their bytes."""
