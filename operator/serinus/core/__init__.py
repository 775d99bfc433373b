"""Decides; pure. No client, no clock, no loop, no log: everything it needs is an argument, all it wants is a value."""
