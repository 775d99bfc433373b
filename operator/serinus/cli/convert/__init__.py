"""`convert`: an Argo Rollout, a Flagger Canary or a KServe InferenceService as a ModelDeployment, and what is lost."""
