"""Clients that are killed at any moment, over a real relay: nothing lost, nothing doubled, no ratchet out of step."""
