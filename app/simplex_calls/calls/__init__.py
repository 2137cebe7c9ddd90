"""Calls: the call's states, its keys and frames, its signalling messages and the page that carries the media.

Follows the SimpleX RFC "2022-04-20 video calls" and ``call.ts`` of the official apps' page for what another app must
see. :mod:`~simplex_calls.calls.state` is the table of states, :mod:`~simplex_calls.calls.switchboard` all calls of a
profile as one pure value, and :class:`~simplex_calls.calls.manager.CallManager` the shell around both that the client
uses.
"""
