"""What a manifest and a status look like: the two kinds as pydantic models, and the CRDs that they generate."""

GROUP = "serinus.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
