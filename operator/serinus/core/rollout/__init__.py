"""Rollout decisions: gates, the walk through the steps, the way back, and what people are told."""
