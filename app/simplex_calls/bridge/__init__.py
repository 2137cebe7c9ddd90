"""The pages' other end: serves them on 127.0.0.1, and speaks with them.

Over a WebSocket (an ordinary browser) or a window's JavaScript bridge, with the same messages.

Uses the public :class:`~simplex_calls.client.Client` only.
"""
