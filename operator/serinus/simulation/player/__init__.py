"""The operator's own looks and decisions, played on virtual time: over made-up traffic, or over what was recorded.

Nothing here judges: the sampler asks, `core.rollout` decides, and what is played is only the world around them.
"""
