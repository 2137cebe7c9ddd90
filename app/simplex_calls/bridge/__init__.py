"""The pages' other end: serves them on 127.0.0.1, and speaks with them over a WebSocket or the window's JavaScript bridge.

Uses the public :class:`~simplex_calls.client.Client` only.
"""
